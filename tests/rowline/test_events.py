"""The client's streams of events resume by themselves."""

import contextlib
import threading
from collections.abc import Iterator

import pytest
import rowline

from app.postgres.database import Database
from tests.support import raw
from tests.support.httpproxy import Fault, HttpProxy
from tests.support.raw import Server
from tests.support.streams import Relay
from tests.support.tokens import issue


@pytest.fixture
def relay(service: Server, db: Database) -> Iterator[Relay]:
    """The way to the service, on an empty database, that can be cut."""
    assert db
    with contextlib.closing(Relay(service.port)) as opened:
        yield opened


@pytest.fixture
def api(relay: Relay) -> Iterator[rowline.Rowline]:
    with rowline.Rowline(relay.url, raw.TOKEN, timeout_s=10) as client:
        yield client


def types_until(events: Iterator[rowline.EventInfo], last: str) -> list[str]:
    found = []
    for event in events:
        if event.type != "drained":
            found.append(event.type)
        if event.type == last:
            return found
    return found


def test_a_stream_that_is_open_before_a_job_is_added_tells_all_of_it(queue: rowline.Queue) -> None:
    with queue.events(with_names=True) as events:
        added = queue.add("n", job_id="mine", attempts=2)
        [lease] = queue.claim(worker="w1")
        queue.fail(lease, "no such host")
        coming = iter(events)
        first = next(coming)
        assert (first.type, first.queue, first.id, first.name) == ("added", "q", added.id, "n")
        assert types_until(coming, "retrying") == ["active", "retrying"]
    with queue.events(after=first.event_id, types=["retrying"]) as events:
        again = next(iter(events))
        assert (again.id, again.attempt, again.reason, again.worker) == ("mine", 1, "no such host", "w1")


def test_the_stream_of_a_job_has_its_progress_and_its_lines(queue: rowline.Queue) -> None:
    job = queue.add("n")
    with queue.events(job) as events:
        [lease] = queue.claim()
        queue.progress(lease, {"step": 1})
        queue.log(lease, "a line")
        coming = iter(events)
        told = next(one for one in coming if one.type == "progress"), next(coming)
    assert [(one.type, one.progress, one.line) for one in told] == [
        ("progress", {"step": 1}, None),
        ("log", None, "a line"),
    ]


def test_a_stream_that_is_cut_goes_on_after_the_last_event(
    api: rowline.Rowline, queue: rowline.Queue, relay: Relay
) -> None:
    with api.events(queues=["q", "other*"]) as events:
        coming = iter(events)
        queue.add("n")
        assert next(coming).type == "added"
        relay.cut()
        queue.add("n", job_id="while it was cut")
        assert next(one for one in coming if one.type == "added").id == "while it was cut"


def test_a_stream_ends_when_it_or_the_client_is_closed(relay: Relay) -> None:
    api = rowline.Rowline(relay.url, raw.TOKEN)
    events = api.events()
    thread = threading.Thread(target=lambda: list(events), daemon=True)
    thread.start()
    api.close()
    thread.join(60)
    assert not thread.is_alive()


def test_a_token_without_the_right_has_no_stream(proxy: HttpProxy, db: Database) -> None:
    secret = issue(db, "jobs:read").secret
    with rowline.Rowline(proxy.url, secret) as api, pytest.raises(rowline.Forbidden):
        api.events()


def test_what_is_asked_for_is_checked(queue: rowline.Queue) -> None:
    with pytest.raises(rowline.InvalidRequest):
        queue.events(types=["odd"])
    with pytest.raises(TypeError, match="unknown: odd"):
        queue.events(odd=1)  # type: ignore[call-arg]


def test_a_stream_resumes_after_an_id_that_came_without_an_event(proxy: HttpProxy) -> None:
    proxy.plan = [Fault.ID_ALONE, Fault.ONE_EVENT]
    with rowline.Rowline(proxy.url, raw.TOKEN) as api, api.events() as events:
        first = next(iter(events))
    assert (first.event_id, first.type) == (72, "added")
    assert b"last-event-id: 71\r\n" in proxy.requests[1].lower()
    assert b"accept: text/event-stream\r\n" in proxy.requests[0].lower()


def test_a_node_that_stops_before_a_stream_has_begun_is_one_that_is_away(proxy: HttpProxy) -> None:
    proxy.plan = [Fault.NOTHING, Fault.ID_ALONE, Fault.NOTHING, Fault.ONE_EVENT]
    with rowline.Rowline(proxy.url, raw.TOKEN) as api:
        with pytest.raises(rowline.Unavailable):
            api.events()
        with api.events() as events:
            assert next(iter(events)).event_id == 72


@pytest.mark.parametrize("fault", [Fault.PAGE, Fault.OTHER_JSON, Fault.REDIRECT, Fault.SAY_LATER])
def test_what_is_no_stream_is_told(proxy: HttpProxy, fault: Fault) -> None:
    proxy.plan = [fault]
    with rowline.Rowline(proxy.url, raw.TOKEN) as api, pytest.raises(rowline.RowlineError):
        api.events()
