"""The file of contexts: services by name, each with its URL and its token. Only its owner can read it."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from app.cli.exits import Code, Ended

OWN, OTHERS = 0o600, 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A service, and the token to ask it with."""

    name: str
    url: str
    token: str = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Contexts:
    """All contexts by name, and the one in use, if any."""

    by_name: dict[str, Context] = field(default_factory=dict)
    in_use: str | None = None

    def find(self, name: str) -> Context:
        """Return a context. Raises Ended."""
        if name not in self.by_name:
            known = f"; there are {', '.join(sorted(self.by_name))}" if self.by_name else ""
            raise Ended(f"there is no context {name!r}{known}. Make one: rowline context add", Code.NOT_FOUND)
        return self.by_name[name]


def that_begin(text: str) -> list[str]:
    """Return the names of contexts that begin so, for the Tab key; none if the file cannot be read."""
    try:
        return sorted(name for name in read().by_name if name.startswith(text))
    except Ended:
        return []


def place() -> Path:
    """Return the path of the file: below XDG_CONFIG_HOME, or where this system has such files."""
    return platformdirs.user_config_path("rowline", appauthor=False) / "contexts.json"


def read() -> Contexts:
    """Return the contexts; none if there is no file. Raises Ended if others can read it, or if it is not one."""
    path = place()
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return Contexts()
    except OSError as error:
        raise Ended(f"{path} cannot be read: {error.strerror}", Code.FAILED) from None
    with os.fdopen(descriptor, encoding="utf-8") as file:
        _require_own(path, os.fstat(descriptor))
        try:
            return _of(json.load(file))
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Ended(f"{path} is not a file of contexts: move it away", Code.FAILED) from None


@contextmanager
def changed() -> Iterator[Contexts]:
    """Write what the block makes of the contexts. Another process that does so meanwhile waits. Raises as `read`."""
    path = place().resolve()  # who has a link there keeps it
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Ended(f"{path.parent} cannot be used: {error.strerror}", Code.FAILED) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        found = read()
        yield found
        _write(path, found)
        os.fsync(folder)
    except OSError as error:
        raise Ended(f"{path} cannot be written: {error.strerror}", Code.FAILED) from None
    finally:
        os.close(folder)


def _require_own(path: Path, state: os.stat_result) -> None:
    """Raise Ended if anybody else can read the tokens, or could have written the URLs to which they are sent."""
    if state.st_uid != os.geteuid():
        raise Ended(f"{path} belongs to another user: it is not read", Code.REFUSED)
    if stat.S_IMODE(state.st_mode) & OTHERS:
        mode = f"{stat.S_IMODE(state.st_mode):o}"
        raise Ended(f"{path} has tokens and the mode {mode}: run `chmod 600 {path}`", Code.REFUSED)


def _of(members: Any) -> Contexts:
    found = {
        str(name): Context(name=str(name), url=str(one["url"]), token=str(one["token"]))
        for name, one in members["contexts"].items()
    }
    in_use = members.get("inUse")
    return Contexts(by_name=found, in_use=in_use if in_use in found else None)


def _write(path: Path, contexts: Contexts) -> None:
    """Replace the file as a whole, so that none is ever read half, or by others."""
    listed = {name: {"url": one.url, "token": one.token} for name, one in contexts.by_name.items()}
    made = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, OWN)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"inUse": contexts.in_use, "contexts": listed}, file, indent=2)
            file.flush()
            os.fsync(descriptor)
        made.replace(path)
    except OSError:
        made.unlink(missing_ok=True)
        raise
