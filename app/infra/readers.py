"""How the values of settings are read: each function returns what a text means, or raises ValueError."""

import base64
import ipaddress
from collections.abc import Callable

from app.net import signing
from app.net.addresses import Network

FERNET_BYTES = 32


def text(value: str) -> str:
    """Return it as it is."""
    return value


def host(value: str) -> str:
    """Return it, `localhost` as the address that the API then listens on: by that name programs may try ::1 first."""
    return "127.0.0.1" if value.lower().removesuffix(".") == "localhost" else value


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a function that reads a whole number from `low` to `high`."""

    def read(value: str) -> int:
        if not value.isascii() or not value.isdigit() or len(value) > len(str(high)) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """Return a function that reads one of `words`."""

    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return read


def database_url(value: str) -> str:
    """Check the URL of a database."""
    # It imports psycopg, which must come after gevent's patches: gunicorn's master, which reads the other settings,
    # must not import it.
    from app.infra import conninfo  # noqa: PLC0415

    if fault := conninfo.fault(value):
        raise ValueError(fault)
    return value


def tokens(value: str) -> tuple[str, ...]:
    """Read API tokens."""
    tokens = tuple(token.strip() for token in value.split(",") if token.strip())
    if not all(token.isascii() and token.isprintable() and " " not in token for token in tokens):
        raise ValueError("must be comma-separated tokens of printable ASCII without spaces")
    return tokens


def networks(value: str) -> tuple[Network, ...]:
    """Read networks."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("must be comma-separated networks such as 10.1.0.0/16 or fd00:1::/64") from None


def secrets(value: str) -> tuple[str, ...]:
    """Read secrets that sign."""
    secrets = tuple(part.strip() for part in value.split(",") if part.strip())
    if len(secrets) > signing.SECRETS_MAX:
        raise ValueError(f"must be at most {signing.SECRETS_MAX} secrets")
    for secret in secrets:
        if fault := signing.secret_fault(secret):
            raise ValueError(fault)
    return secrets


def keys(value: str) -> tuple[str, ...]:
    """Read Fernet keys."""
    keys = tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        sizes = {len(base64.urlsafe_b64decode(key)) for key in keys}
    except ValueError:
        sizes = {0}
    if sizes - {FERNET_BYTES}:
        raise ValueError(f"must be comma-separated Fernet keys: {FERNET_BYTES} bytes in URL-safe base64")
    return keys


def prefix(value: str) -> str:
    """Read a printable word."""
    if not value or not value.isprintable():
        raise ValueError("must be a printable word")
    return value


def switch(value: str) -> bool:
    """Read on or off."""
    if value not in {"on", "off"}:
        raise ValueError("must be on or off")
    return value == "on"
