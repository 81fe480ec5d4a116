"""Strangers have their turns one after another, and no address delays another."""

import time
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import socket

from app.infra import cooperation
from app.web import throttling
from tests.support.raw import DEADLINE_S


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[throttling.FairThrottle, Callable[[], None]]]:
    """A throttle whose turn somebody at `a` has, however slow the machine is, and what ends that turn."""
    monkeypatch.setattr(throttling, "CPU_MAX_S", 3_600.0)
    line = throttling.FairThrottle()
    first = gevent.spawn(line.wait_turn, "a", 3_600.0)
    gevent.sleep(0)
    yield line, first.kill
    first.kill()


def test_a_crowd_at_one_address_delays_no_other(
    taken: tuple[throttling.FairThrottle, Callable[[], None]],
) -> None:
    line, end_turn = taken
    come = list[str]()

    def stranger(address: str) -> None:
        line.wait_turn(address, 0.0)
        come.append(address)

    waiting = [gevent.spawn(stranger, address) for address in ["crowd"] * 50 + ["one", "two", "two"]]
    gevent.sleep(0)
    end_turn()
    gevent.joinall(waiting, raise_error=True)

    assert come[:7] == ["crowd", "one", "two", "crowd", "two", "crowd", "crowd"]
    assert len(come) == 53


def test_all_that_a_request_takes_is_paid_for_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = list[float]()
    monkeypatch.setattr(cooperation, "step_aside", waited.append)
    line = throttling.FairThrottle()
    for took_s in (0.001, 0.004, 3_600.0):
        assert line.wait_turn("a", took_s)

    assert waited == pytest.approx([0.004, 0.016, throttling.CPU_MAX_S * 4])


def test_who_is_not_served_in_time_is_turned_away_and_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch, taken: tuple[throttling.FairThrottle, Callable[[], None]]
) -> None:
    line, end_turn = taken
    monkeypatch.setattr(throttling, "PATIENCE_S", 0.01)
    late = [gevent.spawn(line.wait_turn, address, 0.0) for address in ("a", "b")]
    gevent.joinall(late, raise_error=True)
    end_turn()

    assert [one.value for one in late] == [False, False]
    assert line.wait_turn("a", 0.0)


def test_a_wait_that_is_broken_off_stops_nobody() -> None:
    line = throttling.FairThrottle()
    first, second, third = [gevent.spawn(line.wait_turn, "a", 0.005) for _ in range(3)]
    gevent.sleep(0)
    second.kill()
    first.kill()

    assert third.get(timeout=DEADLINE_S)


def test_a_service_that_stops_keeps_nobody_waiting() -> None:
    line = throttling.FairThrottle()
    waiting = [gevent.spawn(line.wait_turn, "a", 3_600.0) for _ in range(3)]
    gevent.sleep(0)
    waiting[0].kill()
    line.close()

    assert all(one.get(timeout=DEADLINE_S) for one in waiting[1:])


def test_whose_turn_has_come_goes_on_behind_everybody_who_is_ready() -> None:
    """Both are ready when the process, which is busy meanwhile, looks at its sockets again."""
    seen, (ours, theirs) = list[str](), socket.socketpair()

    def stranger() -> None:
        throttling.FairThrottle().wait_turn("a", 0.001)
        seen.append("stranger")

    with ours, theirs:
        both = [gevent.spawn(lambda: seen.append(ours.recv(1).decode())), gevent.spawn(stranger)]
        gevent.sleep(0)
        theirs.sendall(b"x")
        time.sleep(0.02)
        gevent.joinall(both, raise_error=True)

    assert seen == ["x", "stranger"]


@pytest.mark.parametrize(
    ("address", "shares_with"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8:0:0:ffff::2"),
        ("fe80::1%eth0", "fe80::2"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ],
)
def test_a_machine_with_many_addresses_has_one_turn(address: str, shares_with: str) -> None:
    apart = [throttling.client_key(other) for other in ("10.0.0.2", "::ffff:10.0.0.2", "2001:db8:0:1::1", "")]

    assert throttling.client_key(address) == throttling.client_key(shares_with)
    assert throttling.client_key(address) not in apart
