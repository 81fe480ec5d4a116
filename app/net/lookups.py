"""DNS look-ups of the hosts of endpoints, in threads, since libc's resolver has no timeout; addresses are checked.

For gevent. A name whose look-ups hang must not delay others: names that were quick have threads of their own, more than
there should be names that turn slow at once, and a name that hung and failed waits before its next look-up.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

from app.net import addresses, descriptors
from app.net.addresses import Network
from app.net.descriptors import OutOfDescriptors

PROVEN, OTHERS = 256, 96
"""Simultaneous look-ups, each in a thread that is started on demand: of names that were quick, and of all others."""
QUICK_S = 0.2
"""A name whose last look-up took no longer is looked up in the threads of the quick ones."""
ADDRESSES_MAX = 16
"""The maximum of addresses of a name that are checked and connected to: a DNS response may have thousands."""
HUNG_S = 2.0
"""A look-up that takes longer counts as hung."""
HELD_S = 10.0
"""How long a name that hung and failed waits for its next look-up; calls wait too, up to their own timeouts."""
FORGIVEN_S = 600.0
"""How long a name that hung is looked up in the threads of the others."""
NAMES_MAX = 10_000
"""The maximum of names whose history is kept."""
Resolver = Callable[[str, int], Sequence[str]]


class Unusable(Exception):
    """A name has no address that may be called; the message says why, for the operator of the endpoint."""


class NotPublic(Unusable):
    """A name has an address that may not be called."""


@dataclass(slots=True)
class _Name:
    """The history of a name. Times are in seconds of the monotonic clock."""

    was_quick: bool = False
    forgiven_at: float = 0.0
    held_until: float = 0.0


class _Fault(NamedTuple):
    """Why a look-up failed, and the class of the exception: each waiter raises its own instance."""

    text: str
    kind: type[Unusable | OutOfDescriptors] = Unusable


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of `host`, from the system's resolver. Raises OSError. Blocks its thread."""
    found = monkey.get_original("socket", "getaddrinfo")(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Lookups:
    """Looks up names; simultaneous requests for one name share a look-up. One object per process."""

    def __init__(
        self,
        *,
        allowed: Sequence[Network],
        resolver: Resolver,
        quick_s: float = QUICK_S,
        hung_s: float = HUNG_S,
        held_s: float = HELD_S,
    ) -> None:
        """Start no thread yet. `allowed` are networks that may be called although they are not public."""
        self._allowed, self._resolver = allowed, resolver
        self._quick_s, self._hung_s, self._held_s = quick_s, hung_s, held_s
        self._proven, self._others = ThreadPool(PROVEN), ThreadPool(OTHERS)
        self._asking: dict[str, gevent.Greenlet] = {}  # by name alone: its addresses do not depend on the port
        self._names: dict[str, _Name] = {}

    def vetted(self, host: str, port: int) -> list[str]:
        """Resolve `host` and return its first addresses. Raises Unusable; NotPublic if one of them may not be called.

        Raises OutOfDescriptors if it failed because none are left.
        Joins a look-up of the name that is running already, for any port: a name that hangs occupies one thread.
        """
        if not addresses.port_is_open(port):
            raise Unusable(f"port {port} may not be called")
        if host not in self._asking:
            self._asking[host] = gevent.spawn(self._ask, host, port)
        found: list[str] | _Fault = self._asking[host].get()
        if isinstance(found, _Fault):
            raise found.kind(found.text)
        return found

    def _ask(self, host: str, port: int) -> list[str] | _Fault:
        """Look up and check, in a greenlet of its own, which no timeout of a call ends."""
        name, now = self._names.get(host) or _Name(), time.monotonic()
        threads = self._proven if name.was_quick and name.forgiven_at <= now else self._others
        try:
            gevent.sleep(max(0.0, name.held_until - now))
            found, took_s = threads.apply(self._timed, (host, port))
        finally:
            del self._asking[host]
        self._remember(host, took_s, is_found=not isinstance(found, Exception))
        return self._vet(host, found)

    def _timed(self, host: str, port: int) -> tuple[Sequence[str] | Exception, float]:
        """Resolve, in a thread; return the addresses or the exception, which gevent would print, and the seconds."""
        began_at = time.monotonic()
        found: Sequence[str] | Exception
        try:
            found = self._resolver(host, port)[:ADDRESSES_MAX]
        except (OSError, UnicodeError) as error:
            found = error.with_traceback(None)
        return found, time.monotonic() - began_at

    def _remember(self, host: str, took_s: float, *, is_found: bool) -> None:
        name, now = self._names.pop(host, None) or _Name(), time.monotonic()
        name.was_quick = took_s <= self._quick_s
        if took_s > self._hung_s:
            name.forgiven_at = now + FORGIVEN_S
            name.held_until = 0.0 if is_found else now + self._held_s
        self._names[host] = name
        if len(self._names) > NAMES_MAX:
            del self._names[next(iter(self._names))]  # the least recently looked up

    def _vet(self, host: str, found: Sequence[str] | Exception) -> list[str] | _Fault:
        if isinstance(found, Exception):
            kind = Unusable if descriptors.are_left() else OutOfDescriptors
            return _Fault(f"the name {host} cannot be resolved: {getattr(found, 'strerror', None) or found}", kind)
        try:
            read = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        except ValueError:
            return _Fault(f"the name {host} has an address that cannot be read")
        if not read:
            return _Fault(f"the name {host} has no address")
        if any(not addresses.is_open(address, self._allowed) for address in read):
            return _Fault(f"{host} is not public: it has an address that may not be called", NotPublic)
        return [str(address) for address in read]
