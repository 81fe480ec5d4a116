"""How gunicorn serves `wsgi:application`: read by gunicorn itself, once, from the same settings as everything else."""

import os
from pathlib import Path

from app.infra import settings
from app.infra.log import logging_config

_settings = settings.from_env(os.environ)
_shared_memory = Path("/dev/shm")  # noqa: S108 - gunicorn's heartbeat file, which a slow disk would delay

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = _settings.api_processes
threads = _settings.api_threads
worker_class = "gthread"
worker_tmp_dir = str(_shared_memory) if _shared_memory.is_dir() else None
graceful_timeout = -(-_settings.drain_ms // 1000)  # whole seconds, rounded up
timeout = 30
control_socket_disable = True
logconfig_dict = logging_config(_settings.log_level)
proc_name = "rowline-api"
