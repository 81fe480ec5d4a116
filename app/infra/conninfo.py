"""Checks database URLs as libpq parses them. Messages repeat no part of a URL: any part may be of its password."""

from collections.abc import Iterable, Mapping

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

SCHEMES = ("postgresql://", "postgres://")
EXAMPLE = "must look like postgresql://user:password@host:5432/database"
ENCODE = "in user, password and database write @ as %40, / as %2F, : as %3A"
_SAID = (
    ("use percent-encoded spaces", "has a space: write it as %20"),
    ("percent-encoded", "has a % that begins no percent-encoded character: write % itself as %25"),
    ("query parameter", "has a parameter behind its ? that libpq does not know, or that is not name=value"),
)
"""Parts of libpq's messages, of which the first match counts, and the replacements, which quote nothing."""
_CHOICES = {
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    "channel_binding": {"disable", "prefer", "require"},
    "gssencmode": {"disable", "prefer", "require"},
    "target_session_attrs": {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"},
    "load_balance_hosts": {"disable", "random"},
    "min_protocol_version": {"3.0", "3.2", "latest"},
    "max_protocol_version": {"3.0", "3.2", "latest"},
}
"""Of parameters with a few values: these. Of another libpq would tell when it connects, and repeat it."""
_PORTS = range(1, 2**16)


def fault(url: str) -> str | None:
    """Return why libpq cannot use `url`, as a predicate that shows nothing of it; None if it can."""
    if not url.startswith(SCHEMES):
        return EXAMPLE
    try:
        found = _values(_parsed(url))
    except UnicodeError:
        return "must be UTF-8"
    except psycopg.OperationalError as error:
        said = str(error)
        return next((ours for words, ours in _SAID if words in said), f"cannot be read by libpq: {ENCODE}")
    return _oddity(url, found)


def apart(url: str) -> tuple[str, str | None]:
    """Return `url` without its secrets, for a command line, and its password, or None.

    Other secrets (the passphrase of a client key, SCRAM keys) are left out; libpq then prompts for what it needs.
    """
    options = _parsed(url)
    shown = _values(option for option in options if not _is_secret(option))
    return make_conninfo("", **shown), _values(options).get("password")


def _oddity(url: str, found: Mapping[str, str]) -> str | None:
    """Return the fault that libpq would find only when it connects, in messages that show parts of the URL."""
    if "dbname" not in found:
        return EXAMPLE
    if not all(map(_is_port, found.get("port", "").split(","))):
        return f"has a port that is no number from {_PORTS[0]} to {_PORTS[-1]}: {ENCODE}"
    for name, values in _CHOICES.items():
        if found.get(name, "") not in {"", *values}:
            return f"has a value of {name} that libpq does not know: one of {', '.join(sorted(values))}"
    # What follows an @ or a / in a password is a host or a database for libpq.
    if any("@" in host[1:] for host in found.get("host", "").split(",") if not host.startswith("/")):
        return f"has an @ in its host: {ENCODE}"
    if "@" in found["dbname"] and f"/{found['dbname']}" in url:
        return f"has an @ in its database: {ENCODE}"
    return None


def _is_secret(option: pq.ConninfoOption) -> bool:
    return option.dispchar == b"*" or option.keyword.startswith(b"scram_")  # * = no dialog should show it


def _parsed(url: str) -> list[pq.ConninfoOption]:
    return pq.Conninfo.parse(url.encode())


def _values(options: Iterable[pq.ConninfoOption]) -> dict[str, str]:
    return {option.keyword.decode(): option.val.decode() for option in options if option.val}


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) <= len(str(_PORTS[-1])) and int(text) in _PORTS)
