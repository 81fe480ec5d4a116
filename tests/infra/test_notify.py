"""Wake-ups over connections that are gone without a word."""

import logging
import threading

import pytest

from app.infra import libpq, notify
from app.infra.notify import Listener
from app.infra.settings import Settings
from tests.support import databases, faultproxy
from tests.support.clusters import until
from tests.support.faultproxy import Fault


def test_a_silent_listener_finds_out_that_its_connection_is_gone_and_looks_again(
    own_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "BEAT_S", 0.2)
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
