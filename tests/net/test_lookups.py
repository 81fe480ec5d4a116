"""Names that hang, fail or have thousands of addresses: none keeps another from being looked up."""

import contextlib
import threading
import time
from collections.abc import Iterator

import gevent
import pytest

from app.net.lookups import ADDRESSES_MAX, OTHERS, PROVEN, Lookups, Unusable
from app.net.outbound import CallError, Outbound

PUBLIC = "93.184.216.34"
QUICK_S = 60.0
"""As long as no look-up takes that ends at all, however slow the machine is."""


class Clock:
    """The clock of a module, on which time can pass for one thread alone."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    def let_pass(self, seconds: float) -> None:
        self._thread.ahead_s = self._ahead_s + seconds

    @property
    def _ahead_s(self) -> float:
        return float(getattr(self._thread, "ahead_s", 0.0))


def test_a_name_that_hangs_in_the_resolver_keeps_one_thread() -> None:
    asked: list[str] = []
    let_go = threading.Event()

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        let_go.wait(500)
        return ["127.0.0.1"]

    outbound = Outbound(allowed=(), resolver=resolver)

    def refused() -> bool:
        with pytest.raises(CallError, match="not public"):
            outbound.vetted("hangs.example", 80)
        return True

    waiting = [gevent.spawn(refused) for _ in range(50)]
    gevent.spawn(let_go.set)  # after all of them have asked
    gevent.joinall(waiting)

    assert asked == ["hangs.example"]
    assert all(call.value for call in waiting)


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    """What look-ups that hang wait for."""
    event = threading.Event()
    yield event
    event.set()


def test_names_that_hang_keep_no_name_from_being_looked_up(let_go: threading.Event) -> None:
    def resolver(host: str, _port: int) -> list[str]:
        if host.startswith("hangs"):
            let_go.wait(500)
        return [PUBLIC]

    lookups = Lookups(allowed=(), resolver=resolver, quick_s=QUICK_S)
    assert lookups.vetted("old.example", 80) == [PUBLIC]
    hanging = [gevent.spawn(lookups.vetted, f"hangs{nth}.example", 80) for nth in range(OTHERS - 1)]
    with gevent.Timeout(100):
        assert lookups.vetted("new.example", 80) == [PUBLIC]
        hanging += [gevent.spawn(lookups.vetted, f"hangs.more{nth}.example", 80) for nth in range(100)]
        assert [lookups.vetted(f"{name}.example", 80) for name in ("old", "new")] == [[PUBLIC]] * 2
    let_go.set()
    gevent.joinall(hanging, timeout=100, raise_error=True)


def test_a_name_that_hangs_on_many_ports_keeps_one_thread(let_go: threading.Event) -> None:
    def resolver(host: str, _port: int) -> list[str]:
        if host == "hangs.example":
            let_go.wait(500)
        return [PUBLIC]

    lookups = Lookups(allowed=(), resolver=resolver)
    hanging = [gevent.spawn(lookups.vetted, "hangs.example", 2_000 + nth) for nth in range(OTHERS + 10)]
    gevent.sleep(0)  # all of them ask first
    with gevent.Timeout(100):
        assert lookups.vetted("new.example", 80) == [PUBLIC]
    let_go.set()
    gevent.joinall(hanging, timeout=100, raise_error=True)


def test_names_that_were_quick_and_hang_all_at_once_delay_no_quick_name(let_go: threading.Event) -> None:
    hung: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        if host in hung:
            let_go.wait(500)
        return [PUBLIC]

    lookups = Lookups(allowed=(), resolver=resolver, quick_s=QUICK_S)
    names = [f"turns{nth}.example" for nth in range(PROVEN - 1)]
    for name in ("old.example", *names):
        lookups.vetted(name, 80)
    hung += names
    hanging = [gevent.spawn(lookups.vetted, name, 80) for name in names]
    gevent.sleep(0)  # all of them ask first
    with gevent.Timeout(100):
        assert lookups.vetted("old.example", 80) == [PUBLIC]
    let_go.set()
    gevent.joinall(hanging, timeout=100, raise_error=True)


def test_names_that_are_slow_each_time_delay_no_quick_name(
    let_go: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    clock = Clock()
    monkeypatch.setattr("app.net.lookups.time", clock)

    def resolver(host: str, _port: int) -> list[str]:
        if host in asked:
            let_go.wait(500)
        elif host.startswith("slow"):
            clock.let_pass(QUICK_S + 1)
            asked.add(host)
        return [PUBLIC]

    lookups = Lookups(allowed=(), resolver=resolver, quick_s=QUICK_S, hung_s=600.0)
    lookups.vetted("old.example", 80)
    names = [f"slow{nth}.example" for nth in range(PROVEN + 10)]
    gevent.joinall([gevent.spawn(lookups.vetted, name, 80) for name in names], raise_error=True)
    hanging = [gevent.spawn(lookups.vetted, name, 80) for name in names]
    gevent.sleep(0)  # all of them ask first
    with gevent.Timeout(100):
        assert lookups.vetted("old.example", 80) == [PUBLIC]
    let_go.set()
    gevent.joinall(hanging, timeout=100, raise_error=True)


def test_a_name_that_hung_and_failed_waits_before_it_is_looked_up_again() -> None:
    asked_at: list[float] = []

    def resolver(_host: str, _port: int) -> list[str]:
        asked_at.append(time.monotonic())
        if len(asked_at) == 1:
            raise OSError(-3, "Temporary failure in name resolution")
        return [PUBLIC]

    lookups = Lookups(allowed=(), resolver=resolver, hung_s=0.0, held_s=0.5)
    with pytest.raises(Unusable, match=r"the name dead\.example cannot be resolved: Temporary failure"):
        lookups.vetted("dead.example", 80)
    assert lookups.vetted("dead.example", 80) == [PUBLIC]
    assert asked_at[1] - asked_at[0] >= 0.5


@pytest.mark.parametrize(("hung_s", "error"), [(0.0, None), (60.0, OSError(-2, "Name or service not known"))])
def test_a_name_that_is_slow_or_unknown_does_not_wait(hung_s: float, error: OSError | None) -> None:
    def resolver(_host: str, _port: int) -> list[str]:
        if error:
            raise error
        return [PUBLIC]

    lookups = Lookups(allowed=(), resolver=resolver, hung_s=hung_s, held_s=600)
    for _ in range(3):
        with gevent.Timeout(60), pytest.raises(Unusable) if error else contextlib.nullcontext():
            lookups.vetted("a.example", 80)


def test_of_a_name_with_thousands_of_addresses_the_first_are_called() -> None:
    many = [f"93.184.{nth >> 8}.{nth & 255}" for nth in range(4_000)]
    outbound = Outbound(allowed=(), resolver=lambda _host, _port: many)
    assert outbound.vetted("many.example", 80) == many[:ADDRESSES_MAX]
    many[ADDRESSES_MAX - 1] = "10.0.0.1"
    with pytest.raises(CallError, match="not public"):
        outbound.vetted("many.example", 80)


def test_a_look_up_that_fails_prints_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def resolver(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(CallError, match=r"the name no\.example cannot be resolved: Name or service not known"):
        Outbound(allowed=(), resolver=resolver).vetted("no.example", 80)
    assert capfd.readouterr().err == ""
