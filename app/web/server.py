"""The configuration file of gunicorn, which reads it at start; the values come from Rowline's settings."""

import gc
import os
import signal
from pathlib import Path
from typing import Any

from app.infra import loading, metricfiles, settings
from app.infra.log import logging_config

# Without DATABASE_URL: only gunicorn's workers validate it, since psycopg must be imported after gevent's patches.
_settings = settings.from_env(os.environ | {"DATABASE_URL": ""})
_shared_memory = Path("/dev/shm")  # noqa: S108 - for gunicorn's heartbeat file, which a slow disk would delay

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = _settings.api_processes
worker_connections = _settings.api_clients
http_parser = "python"  # gunicorn's in C, where it is installed, would not ask `incoming.Request` who has a token
logger_class = "app.web.worker.Logger"
worker_class = "app.web.worker.Worker"
worker_tmp_dir = str(_shared_memory) if _shared_memory.is_dir() else None
keepalive = _settings.client_s
graceful_timeout = -(-_settings.drain_ms // 1000)  # whole seconds, rounded up
timeout = 30
control_socket_disable = True
forwarded_allow_ips = ""  # X-Forwarded-* and the like are ignored: no header changes scheme or address
logconfig_dict = logging_config(_settings.log_level, _settings.log)
proc_name = "rowline-api"


_metrics: list[Path] = []
"""The folder in which the workers share their metrics, once it is made."""


def on_starting(_arbiter: object) -> None:
    """Make the folder for metrics: gunicorn's hook, before the first fork, when it has loaded itself."""
    loading.end()
    _metrics.append(metricfiles.make_folder())


def pre_fork(arbiter: Any, worker: Any) -> None:
    """Give a worker a slot, that of one that has ended, if any: gunicorn's hook, before each fork."""
    worker.metrics_slot = metricfiles.free_slot(other.metrics_slot for other in arbiter.WORKERS.values())


def child_exit(_arbiter: object, worker: Any) -> None:
    """Forget what a worker had in use: gunicorn's hook, in its master, when one has ended."""
    metricfiles.forget(_metrics[0], worker.metrics_slot)


def on_exit(_arbiter: object) -> None:
    """Remove the folder for metrics: gunicorn's hook, at the end of its master."""
    metricfiles.remove_folder(_metrics[0])


def post_fork(_arbiter: object, worker: Any) -> None:
    """Install the signal handlers for Ctrl-C before the application is loaded: gunicorn's hook, after each fork.

    And say where the metrics of this worker go.
    """
    loading.begin()
    metricfiles.join(_metrics[0], worker.metrics_slot)
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, worker.handle_quit)


def post_worker_init(_worker: object) -> None:
    """Freeze the objects of the loaded application: gunicorn's hook.

    Otherwise each full garbage collection would scan them, and block the process for 50 ms.
    """
    gc.collect()
    loading.end()


def pre_request(_worker: object, request: Any) -> None:
    """Check headers that WSGI would merge or hide: gunicorn's hook, called for each request before the application."""
    length = dict(request.headers).get("CONTENT-LENGTH", "0")
    if int(length) > _settings.max_body_bytes:
        # No 100 Continue for a body that will be rejected; then close, since body or next request could follow.
        request._expected_100_continue = False  # noqa: SLF001 - gunicorn has no other way
        request.force_close()
    keys = [value for name, value in request.headers if name == "IDEMPOTENCY-KEY"]
    if len(keys) > 1:  # joined by a comma they would look like one key; a line feed is invalid in keys
        request.headers = [(name, value) for name, value in request.headers if name != "IDEMPOTENCY-KEY"]
        request.headers.append(("IDEMPOTENCY-KEY", "\n".join(keys)))
