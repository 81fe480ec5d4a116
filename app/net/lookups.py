"""Looking up the names of endpoints, in threads, since libc's resolver knows no end; and vetting what is found.

Made for gevent. Names that hang must keep no other from being looked up: those that have always answered have threads
of their own, and one that hung and failed waits before it is looked up again.
"""

import ipaddress
import math
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

from app.net import addresses
from app.net.addresses import Network

PROVEN, OTHERS = 32, 96
"""Names looked up at once, each in a thread: those that have always answered quickly, and all others."""
ADDRESSES_MAX = 16
"""The most addresses of a name that are looked at, and connected to: a DNS answer has room for thousands."""
HUNG_S = 2.0
"""A look-up that takes longer has hung."""
HELD_S = 10.0
"""How long a name that hung and failed waits; no call fails for that but by its own time."""
FORGIVEN_S = 600.0
"""How long a name that hung is looked up among those that may hang."""
NAMES_MAX = 10_000
"""The most names that are remembered."""
Resolver = Callable[[str, int], Sequence[str]]


class Unusable(Exception):
    """A name has no address that may be called; the message says why, in words for whoever runs the endpoint."""


class NotPublic(Unusable):
    """It has an address that may not be called."""


@dataclass(slots=True)
class _Name:
    """What is remembered of a name, in seconds of the monotonic clock."""

    proven_from: float = math.inf
    held_until: float = 0.0


class _Fault(NamedTuple):
    """What is wrong with a name, and which exception says so: each waiter raises one of its own."""

    text: str
    kind: type[Unusable] = Unusable


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of `host`, by the machine's resolver. Raises OSError. Called in a thread of its own."""
    found = monkey.get_original("socket", "getaddrinfo")(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Lookups:
    """Looks up names, each once at a time however many ask. One a process."""

    def __init__(
        self, *, allowed: Sequence[Network], resolver: Resolver, hung_s: float = HUNG_S, held_s: float = HELD_S
    ) -> None:
        """Prepare; `allowed` are networks that may be called though they are not public."""
        self._allowed, self._resolver, self._hung_s, self._held_s = allowed, resolver, hung_s, held_s
        self._proven, self._others = ThreadPool(PROVEN), ThreadPool(OTHERS)
        self._asking: dict[tuple[str, int], gevent.Greenlet] = {}
        self._names: dict[str, _Name] = {}

    def vetted(self, host: str, port: int) -> list[str]:
        """Resolve `host` and return its first addresses. Raises Unusable; NotPublic if one of them may not be called.

        Waits for whoever looks it up already: a name that hangs keeps one thread, however many call it.
        """
        if not addresses.port_is_open(port):
            raise Unusable(f"port {port} may not be called")
        if (host, port) not in self._asking:
            self._asking[host, port] = gevent.spawn(self._ask, host, port)
        found: list[str] | _Fault = self._asking[host, port].get()
        if isinstance(found, _Fault):
            raise found.kind(found.text)
        return found

    def _ask(self, host: str, port: int) -> list[str] | _Fault:
        """Ask the resolver, in a greenlet that nobody's clock ends; return addresses, or what is wrong."""
        name, now = self._names.get(host) or _Name(), time.monotonic()
        threads = self._proven if name.proven_from <= now else self._others
        try:
            gevent.sleep(max(0.0, name.held_until - now))
            found, took_s = threads.apply(self._timed, (host, port))
        finally:
            del self._asking[host, port]
        self._remember(host, took_s, is_found=not isinstance(found, Exception))
        return self._vet(host, found)

    def _timed(self, host: str, port: int) -> tuple[Sequence[str] | Exception, float]:
        """Resolve, in a thread; return what that raises, which gevent would print, and how many seconds it took."""
        began_at = time.monotonic()
        found: Sequence[str] | Exception
        try:
            found = self._resolver(host, port)[:ADDRESSES_MAX]
        except (OSError, UnicodeError) as error:
            found = error.with_traceback(None)
        return found, time.monotonic() - began_at

    def _remember(self, host: str, took_s: float, *, is_found: bool) -> None:
        name, now = self._names.pop(host, None) or _Name(), time.monotonic()
        if took_s > self._hung_s:
            name.proven_from = now + FORGIVEN_S
            name.held_until = 0.0 if is_found else now + self._held_s
        elif name.proven_from == math.inf:
            name.proven_from = now
        self._names[host] = name
        if len(self._names) > NAMES_MAX:
            del self._names[next(iter(self._names))]  # the one that was looked up longest ago

    def _vet(self, host: str, found: Sequence[str] | Exception) -> list[str] | _Fault:
        if isinstance(found, Exception):
            return _Fault(f"the name {host} cannot be resolved: {getattr(found, 'strerror', None) or found}")
        try:
            read = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        except ValueError:
            return _Fault(f"the name {host} has an address that cannot be read")
        if not read:
            return _Fault(f"the name {host} has no address")
        if any(not addresses.is_open(address, self._allowed) for address in read):
            return _Fault(f"{host} is not public: it has an address that may not be called", NotPublic)
        return [str(address) for address in read]
