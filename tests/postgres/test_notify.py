"""Wake-ups over connections that are gone without a word."""

import logging
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from app.infra.settings import Settings
from app.postgres import libpq, notify
from app.postgres.database import Database
from app.postgres.notify import Listener, Notifier
from app.postgres.wakeups import PULSE
from tests.support import databases, faultproxy
from tests.support.clusters import until
from tests.support.faultproxy import Fault

END_LISTENERS = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'rowline-test-own %' and query like 'listen %'
"""


def test_a_silent_listener_finds_out_that_its_connection_is_gone_and_looks_again(
    own_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "CHECK_S", 0.2)
    woken = threading.Event()
    with faultproxy.before(databases.as_owner(own_url)) as proxy:
        listener = Listener(proxy.url, libpq.arguments(Settings(), name="listening", statement_ms=10_000))
        listener.subscribe("q", woken.set)
        assert woken.wait(60)
        proxy.fault = Fault.SWALLOW
        with caplog.at_level(logging.WARNING):
            until(lambda: "listen_failed" in caplog.messages, within_s=60)
        woken.clear()
        proxy.fault = Fault.NONE
        assert woken.wait(60)
        listener.close()


def is_heard(db: Database) -> bool:
    db.notify(PULSE)
    return db.wakeups.is_proved


def test_who_relies_on_wake_ups_is_told_once_when_their_connection_is_lost(own_url: str) -> None:
    db = Database(Settings(), url=own_url, size=1, name="rowline-test-own")
    lost = threading.Semaphore(0)
    db.wakeups.on_loss(lost.release)
    db.listen_payloads(PULSE, lambda _word: db.wakeups.prove())
    until(partial(is_heard, db))
    assert db.wakeups.poll_ms(1_000) == 10_000

    databases.run(own_url, END_LISTENERS)
    assert lost.acquire(timeout=60)
    assert db.wakeups.poll_ms(1_000) == 1_000
    db.wakeups.check()
    assert not lost.acquire(blocking=False)
    until(partial(is_heard, db))  # again
    db.close()


def test_a_wake_up_that_could_not_be_sent_is_sent_when_the_database_is_back(
    own_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    woken = threading.Event()
    direct = libpq.arguments(Settings(), name="rowline-test-own", statement_ms=10_000) | {"options": ""}
    listener = Listener(own_url, direct)
    listener.subscribe("q", woken.set)
    assert woken.wait(60)
    woken.clear()
    with faultproxy.before(databases.as_owner(own_url)) as proxy:
        proxy.fault = Fault.SWALLOW
        notifier = Notifier(proxy.url, direct)
        with caplog.at_level(logging.WARNING):
            notifier.notify("q")
            until(lambda: "notify_failed" in caplog.messages, within_s=60)
        proxy.fault = Fault.NONE
        assert woken.wait(60)
        notifier.close()
    listener.close()


@pytest.fixture
def pulsing(own_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database whose listener hears one pulse after the other, and is about to forget all the time."""
    monkeypatch.setattr(notify, "CHECK_S", 0.05)
    opened = Database(Settings(), url=own_url, size=1, name="rowline-test-own")
    is_over, heard = threading.Event(), threading.Semaphore(0)

    def beat() -> None:
        while not is_over.is_set():
            opened.notify(PULSE)
            heard.acquire(timeout=1)

    opened.listen_payloads(PULSE, lambda _word: heard.release())
    beating = threading.Thread(target=beat)
    beating.start()
    yield opened
    is_over.set()
    beating.join()
    opened.close()


LAST_SAID = """
    select query from pg_stat_activity
    where datname = current_database() and application_name like 'rowline-test-own %' and query like '%listen %'
"""


def test_a_channel_that_nobody_waits_for_is_given_up_though_pulses_keep_coming(own_url: str, pulsing: Database) -> None:
    gone = threading.Event()

    def is_given_up() -> bool:
        gone.clear()
        give_up = pulsing.listen("gone", gone.set)
        assert gone.wait(60)  # what was announced before it listened rang nobody
        assert pulsing.hears("gone")
        give_up()
        until(lambda: not pulsing.hears("gone"))
        return databases.ask(own_url, LAST_SAID) == [(f"unlisten {notify.channel('gone')}",)]

    for _ in range(3):
        until(is_given_up)  # at times it has said something else by the time it is asked


def test_channels_that_come_and_go_lose_no_wake_up_while_others_are_given_up(
    pulsing: Database, caplog: pytest.LogCaptureFixture
) -> None:
    kept = threading.Event()
    pulsing.listen("kept", kept.set)
    with caplog.at_level(logging.WARNING):
        for nth in range(200):
            woken = threading.Event()
            give_up = pulsing.listen(f"q{nth % 3}", woken.set)
            kept.clear()
            pulsing.notify(f"q{nth % 3}")
            pulsing.notify("kept")
            assert woken.wait(60)
            assert kept.wait(60)
            give_up()
        until(lambda: not any(pulsing.hears(f"q{nth}") for nth in range(3)))
    assert pulsing.hears("kept")
    assert caplog.messages == []
