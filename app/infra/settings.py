"""Every setting, read once from the environment. `app/docs/settings.md` is generated from here."""

import dataclasses
import difflib
import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from app.infra import log, readers
from app.net.addresses import Network

CLIENT_VARIABLES = frozenset({"ROWLINE_URL", "ROWLINE_TOKEN", "ROWLINE_CONTEXT"})
"""Read by clients, by workers over HTTP and by the command line."""
TOKEN_LEAST, TOKEN_GOOD = 8, 16  # characters of a token, unless HOST is on loopback: fewer are an error, or a warning
DAY_MS = 24 * 3600 * 1000
_text, _whole, _one_of, _switch = readers.text, readers.whole, readers.one_of, readers.switch
_database_url, _tokens, _networks = readers.database_url, readers.tokens, readers.networks
_secrets, _keys, _prefix = readers.secrets, readers.keys, readers.prefix
_ADVICE = "Generate a long one: `openssl rand -base64 24`."


class SettingsError(Exception):
    """One or more settings are invalid; the message lists all of them."""


def default_home() -> Path:
    """Return the default home: in the user's data folder, or below /var/lib for root."""
    if os.geteuid() == 0:
        return Path("/var/lib/rowline")
    return platformdirs.user_data_path("rowline", appauthor=False)


def _home(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _setting(name: str, default: Any, read: Callable[[str], Any], about: str, *, secret: bool = False) -> Any:
    """Declare a setting. A callable default is called each time; a secret is never shown."""
    metadata = {"name": name, "read": read, "about": about, "secret": secret}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata, repr=not secret)
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings. Times are in ms and sizes in bytes, as the names say."""

    host: str = _setting(
        "HOST", "127.0.0.1", readers.host, "The address that the API listens on; `localhost` means 127.0.0.1."
    )
    port: int = _setting("PORT", 8080, _whole(1, 65535), "The port that the API listens on.")
    database_url: str | None = _setting(
        "DATABASE_URL", None, _database_url, "The PostgreSQL (15 to 18) to use. None: the embedded one.", secret=True
    )
    listen_url: str | None = _setting(
        "ROWLINE_LISTEN_URL",
        None,
        _database_url,
        "The same database without a pooler in transaction mode, only for LISTEN. None: DATABASE_URL.",
        secret=True,
    )
    home: Path = _setting(
        "ROWLINE_HOME", default_home, _home, "The folder of the embedded PostgreSQL: data, logs, lock."
    )
    tokens: tuple[str, ...] = _setting(
        "AUTH_TOKENS",
        (),
        _tokens,
        "API tokens, comma-separated, of 16 characters or more. Unless `HOST` is on loopback, shorter ones cause "
        "a warning, under 8 an error. None: a random one for this run, on a loopback address only.",
        secret=True,
    )
    queue_prefix: str = _setting("QUEUE_PREFIX", "bull", _prefix, "The first part of `queueQualifiedName`.")
    trusted_proxies: tuple[Network, ...] = _setting(
        "ROWLINE_TRUSTED_PROXIES",
        (),
        _networks,
        "Networks, comma-separated, of proxies whose `X-Forwarded-For` names the address of a client, for the limit of "
        "wrong tokens and the audit.",
    )
    api_processes: int = _setting(
        "ROWLINE_API_PROCESSES", 2, _whole(1, 256), "API processes (gunicorn workers) per node."
    )
    api_connections: int = _setting(
        "ROWLINE_API_CONNECTIONS",
        8,
        _whole(1, 256),
        "Database connections per API process: so many requests can use the database at once.",
    )
    api_clients: int = _setting(
        "ROWLINE_API_CLIENTS",
        2_000,
        _whole(1, 100_000),
        "The most client connections per API process; more wait to be accepted.",
    )
    client_s: int = _setting(
        "ROWLINE_CLIENT_S",
        10,
        _whole(1, 3600),
        "Seconds that a client may be idle between requests, and may take to send a head. For a body, and to read a "
        "response, it has one more second per 64 KiB.",
    )
    max_body_bytes: int = _setting(
        "ROWLINE_MAX_BODY_BYTES", 10 * 2**20, _whole(2, 2**30), "The most bytes of a request body."
    )
    max_answer_bytes: int = _setting(
        "ROWLINE_MAX_ANSWER_BYTES",
        8 * 2**20,
        _whole(2**18, 2**30),
        "The most bytes of texts of jobs in a response, after the first job: longer pages and claims end early.",
    )
    max_answers_bytes: int = _setting(
        "ROWLINE_MAX_ANSWERS_BYTES",
        256 * 2**20,
        _whole(2**26, 2**40),
        "Bytes of memory of a node for responses over 64 KiB until they are sent, divided among its API processes.",
    )
    max_jobs: int = _setting("ROWLINE_MAX_JOBS", 10_000, _whole(1, 1_000_000), "The most jobs in one request.")
    max_data_bytes: int = _setting(
        "ROWLINE_MAX_DATA_BYTES", 2**20, _whole(2, 2**28), "The most bytes of a job's data, and of its result."
    )
    keep_keys_ms: int = _setting(
        "ROWLINE_KEEP_KEYS_MS",
        DAY_MS,
        _whole(60_000, 366 * DAY_MS),
        "How long an `Idempotency-Key` and its response are stored.",
    )
    lease_ms: int = _setting(
        "ROWLINE_LEASE_MS",
        30_000,
        _whole(500, DAY_MS),
        "The length of a lease: without a heartbeat for so long, a job has stalled.",
    )
    max_wait_ms: int = _setting(
        "ROWLINE_MAX_WAIT_MS",
        30_000,
        _whole(0, 30_000),
        "The longest wait over HTTP, for a job to claim or for the end of one; a longer `wait` is reduced to it.",
    )
    max_stalled_count: int = _setting(
        "ROWLINE_MAX_STALLED_COUNT", 1, _whole(0, 1000), "How often a job may stall before it fails."
    )
    unhandled_ms: int = _setting(
        "ROWLINE_UNHANDLED_MS",
        60_000,
        _whole(0, DAY_MS),
        "How long a worker releases a job without a handler before it fails the attempt.",
    )
    poll_ms: int = _setting(
        "ROWLINE_POLL_MS",
        1_000,
        _whole(10, 60_000),
        "The interval of polling for jobs; ten times as long while NOTIFYs arrive.",
    )
    promote_ms: int = _setting(
        "ROWLINE_PROMOTE_MS", 500, _whole(10, 60_000), "The interval of promoting due jobs, by one process for all."
    )
    recover_ms: int = _setting(
        "ROWLINE_RECOVER_MS",
        5_000,
        _whole(10, 600_000),
        "The interval of recovering stalled jobs, by one process for all.",
    )
    worker_processes: int = _setting("ROWLINE_WORKER_PROCESSES", 2, _whole(1, 256), "Handler processes per worker.")
    worker_threads: int = _setting(
        "ROWLINE_WORKER_THREADS",
        1,
        _whole(1, 256),
        "Threads per handler process: processes times threads jobs run at once.",
    )
    max_batch: int = _setting(
        "ROWLINE_MAX_BATCH", 500, _whole(1, 5_000), "The most jobs sent to a handler process at a time."
    )
    drain_ms: int = _setting(
        "ROWLINE_DRAIN_MS", 25_000, _whole(0, DAY_MS), "How long a stopping process waits for running jobs or requests."
    )
    webhook_allow: tuple[Network, ...] = _setting(
        "ROWLINE_WEBHOOK_ALLOW",
        (),
        _networks,
        "Networks, comma-separated, in which endpoints are allowed although they are not public.",
    )
    webhook_secrets: tuple[str, ...] = _setting(
        "ROWLINE_WEBHOOK_SECRETS",
        (),
        _secrets,
        "One or two `whsec_` secrets, comma-separated, that sign the calls to endpoints without secrets of their own.",
        secret=True,
    )
    secret_keys: tuple[str, ...] = _setting(
        "ROWLINE_SECRET_KEYS",
        (),
        _keys,
        "Fernet keys, comma-separated, for the secrets of endpoints in the database: the first one encrypts, all can "
        "decrypt. None: the key in the file `secret.key` of ROWLINE_HOME.",
        secret=True,
    )
    max_endpoints: int = _setting(
        "ROWLINE_MAX_ENDPOINTS", 1_000, _whole(1, 100_000), "The most queues with an endpoint."
    )
    events: bool = _setting(
        "ROWLINE_EVENTS",
        True,
        _switch,
        "Whether the changes of jobs are told to streams of events, the same everywhere.",
    )
    keep_events_ms: int = _setting(
        "ROWLINE_KEEP_EVENTS_MS", DAY_MS, _whole(60_000, 366 * DAY_MS), "How long events are kept, at most."
    )
    max_events_bytes: int = _setting(
        "ROWLINE_MAX_EVENTS_BYTES", 2**30, _whole(2**24, 2**44), "The most bytes of kept events in the database."
    )
    statement_ms: int = _setting(
        "ROWLINE_STATEMENT_MS", 5_000, _whole(100, 600_000), "The statement timeout of PostgreSQL."
    )
    lock_ms: int = _setting(
        "ROWLINE_LOCK_MS",
        800,
        _whole(10, 600_000),
        "The lock timeout of PostgreSQL; statements are tried up to three times.",
    )
    pool_wait_ms: int = _setting(
        "ROWLINE_POOL_WAIT_MS", 1_000, _whole(10, 60_000), "The longest wait for a free database connection."
    )
    connect_s: int = _setting(
        "ROWLINE_CONNECT_S", 2, _whole(2, 60), "The longest wait, in seconds, for a new connection to PostgreSQL."
    )
    request_ms: int = _setting(
        "ROWLINE_REQUEST_MS",
        2_800,
        _whole(100, 600_000),
        "The time limit of an API request in the database, including waits and the commit.",
    )
    log_level: str = _setting(
        "ROWLINE_LOG_LEVEL", "info", _one_of("debug", "info", "warning", "error"), "The lowest level that is logged."
    )
    log: str = _setting(
        "ROWLINE_LOG",
        "auto",
        _one_of(*log.STYLES),
        "How lines of the log are written: as JSON, or for people; auto: for people on a terminal.",
    )
    metrics_port: int | None = _setting(
        "ROWLINE_METRICS_PORT",
        None,
        _whole(1, 65534),
        "The port, on `HOST`, on which a worker or a dispatcher serves its metrics; the API serves its own. "
        "`rowline run` gives it to the dispatcher, and the next one to the worker. None: neither serves any.",
    )
    postgres_bin: Path | None = _setting(
        "ROWLINE_POSTGRES_BIN",
        None,
        _home,
        "The folder with initdb, pg_ctl and postgres to use instead of the wheel's.",
    )
    postgres_account: str | None = _setting(
        "ROWLINE_POSTGRES_ACCOUNT",
        None,
        _text,
        "As root: the account that the embedded server runs under. None: postgres if there is one, else nobody.",
    )

    @property
    def on_loopback(self) -> bool:
        """Whether the API listens on a loopback address only."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def require_database_url(self) -> str:
        """Return the URL of the database. Raises SettingsError if it is not set."""
        if self.database_url is None:
            raise SettingsError(
                "DATABASE_URL is not set. `rowline run` starts an embedded PostgreSQL, "
                "whose URL `rowline db url` prints; a worker can use ROWLINE_URL and ROWLINE_TOKEN instead."
            )
        return self.database_url

    def require_tokens(self) -> None:
        """Require a token, and, unless HOST is on loopback, tokens that are not too short. Raises SettingsError."""
        if not self.tokens:
            raise SettingsError(
                "AUTH_TOKENS is not set. `rowline run` and `rowline serve` generate a token themselves, "
                "but only for a loopback address."
            )
        if not self.on_loopback and self._shortest_token < TOKEN_LEAST:
            raise SettingsError(
                f"AUTH_TOKENS: a token has fewer than {TOKEN_LEAST} characters, and with this HOST other machines can "
                f"guess it. {_ADVICE}"
            )

    @property
    def address(self) -> str:
        """The URL of the API, as its own machine reaches it if HOST is an address of that."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def warning(self) -> str | None:
        """A warning for the operator at the start, or None; it contains no secret."""
        if self.on_loopback or not self.tokens or self._shortest_token >= TOKEN_GOOD:
            return None
        return f"AUTH_TOKENS: a token has fewer than {TOKEN_GOOD} characters, and HOST is not on loopback. {_ADVICE}"

    @property
    def _shortest_token(self) -> int:
        return min(map(len, self.tokens))


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the settings that are secrets, for other programs."""
    secret = {field.metadata["name"] for field in dataclasses.fields(Settings) if field.metadata["secret"]}
    return {name: value for name, value in environ.items() if name not in secret}


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read the settings. An empty variable counts as not set. Raises SettingsError with all faults at once."""
    faults = _unknown(environ)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        name, text = field.metadata["name"], environ.get(field.metadata["name"], "").strip()
        if not text:
            continue
        try:
            values[field.name] = field.metadata["read"](text)
        except ValueError as error:
            shown = "its value" if field.metadata["secret"] else repr(text[:80])
            faults.append(f"{name}: {shown} {error}")
    if faults:
        raise SettingsError("\n".join(faults))
    return Settings(**values)


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = {field.metadata["name"] for field in dataclasses.fields(Settings)}
    faults = []
    for name in sorted(environ):
        if name.startswith("ROWLINE_") and name not in known | CLIENT_VARIABLES:
            short = {name.removeprefix("ROWLINE_")} & known
            near = [*short] or difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            faults.append(f"{name}: no such setting{hint}")
    return faults
