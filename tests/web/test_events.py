"""Streams and pages of events, of a real service: nothing is missed, by anybody who may see it, and nobody else."""

import contextlib
import json
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.tokens import STREAMS, Limits
from app.infra.settings import Settings
from app.operations import tokens
from app.operations.eventstreams import STREAMS_MAX
from app.postgres.database import Database
from tests.support import databases, raw, streams, work
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.raw import TOKEN
from tests.support.streams import EventStream, opened
from tests.support.tokens import issue

OLD_CLIENT = {"User-Agent": "rowline-python"}
"""What ours said up to revision 0036."""


@pytest.fixture
def own_db(settings: Settings, own_url: str) -> Iterator[Database]:
    with contextlib.closing(Database(settings, url=own_url, size=4, name="rowline-test")) as opened_db:
        yield opened_db


@pytest.fixture
def server(own_url: str) -> Iterator[raw.Server]:
    with raw.server(own_url, **raw.PATIENT) as serving:
        yield serving


def ask(server: raw.Server, method: str, path: str, body: Any = None, token: str = TOKEN) -> Any:
    sent = b"" if body is None else json.dumps(body).encode()
    [answer] = server.ask(raw.request(method, path, body=sent, token=token), wanted=1)
    assert answer.status == 200, answer
    return answer.json() if answer.headers["content-type"] == "application/json" else None


def add(server: raw.Server, *jobs: dict[str, Any], queue: str = "q") -> list[str]:
    return [job["id"] for job in ask(server, "POST", f"/queues/{queue}/jobs", jobs)]


def work_one(server: raw.Server, *, fail: str | None = None, queue: str = "q") -> str:
    [claimed] = ask(server, "POST", f"/queues/{queue}/jobs/claim", {"worker": "w1"})["jobs"]
    job_id, token = claimed["job"]["id"], claimed["token"]
    if fail is None:
        ask(server, "POST", f"/queues/{queue}/jobs/{job_id}/complete", {"token": token, "returnvalue": "secret"})
    else:
        ask(server, "POST", f"/queues/{queue}/jobs/{job_id}/fail", {"token": token, "failedReason": fail})
    return str(job_id)


def told(found: list[streams.Told]) -> list[tuple[str, str | None]]:
    return [(one.event, one.data.get("id")) for one in found if one.event != "drained"]


def block(stream: EventStream) -> bytes:
    """Return the next lines, up to an empty one."""
    return b"".join(iter(stream.response.readline, b"\n"))


def test_a_client_that_subscribes_before_adding_sees_its_job_from_start_to_end(server: raw.Server) -> None:
    with opened(server.port, "/events?include=name", token=TOKEN) as stream:
        headers = dict(stream.response.headers)
        assert headers["Content-Type"].startswith("text/event-stream")
        assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
        assert "Content-Length" not in headers
        add(server, {"name": "n", "data": "secret", "opts": {"jobId": "mine"}})
        work_one(server)
        found = [one for one in stream.take(4) if one.event != "drained"]  # which comes before or behind the end
        assert told(found) == [("added", "mine"), ("active", "mine"), ("completed", "mine")]
        assert found[0].data.keys() == {"type", "queue", "id", "at", "name"}
        assert (found[1].data["attempt"], found[1].data["worker"]) == (1, "w1")
        assert "secret" not in json.dumps([one.data for one in found])
        ids = [int(one.id or 0) for one in found]
        assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("asked", "is_packed"), [("gzip, deflate, br, zstd", True), ("*", True), ("gzip;q=0", False), ("br", False)]
)
def test_a_stream_in_gzip_says_what_one_in_plain_text_does(server: raw.Server, *, asked: str, is_packed: bool) -> None:
    with opened(server.port, "/events?after=start", token=TOKEN) as plain:
        add(server, *[{"name": "n", "data": 1} for _ in range(3_000)])
        add(server, {"name": "n", "data": 1, "opts": {"jobId": "mine"}})
        expected = b"".join(block(plain) + b"\n" for _ in range(3_001))
        packed = EventStream(server.port, "/events?after=start", token=TOKEN, headers={"Accept-Encoding": asked})
        with contextlib.closing(packed):
            assert packed.response.headers["Content-Encoding"] == ("gzip" if is_packed else None)
            unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress if is_packed else bytes
            said = b""
            while b'"mine"' not in said:
                said += unpack(packed.response.read1(100))
            hello, _, events = said.partition(b"\n\n")
            assert b"event: hello" in hello
            assert events == expected
            work_one(server)  # what comes is packed too, each event as it comes
            while b"event: active" not in said:
                said += unpack(packed.response.read1(100))


def test_a_stream_goes_on_after_the_last_event_that_came_also_of_jobs_that_are_gone(server: raw.Server) -> None:
    with opened(server.port, "/queues/q/events", token=TOKEN) as stream:
        add(server, {"name": "n", "data": 1, "opts": {"jobId": "a"}})
        [first] = stream.take(1)
    work_one(server, fail="no")
    ask(server, "POST", "/queues/other/jobs", [{"name": "n", "data": 1}])
    ask(server, "DELETE", "/queues/q/jobs/a")
    with opened(server.port, "/queues/q/events", token=TOKEN, last_id=first.id) as stream:
        found = [one for one in stream.take(4) if one.event != "drained"]
    assert told(found) == [("active", "a"), ("failed", "a"), ("removed", "a")]
    assert found[1].data["reason"] == "no"
    page = ask(server, "GET", "/queues/q/events/page?after=start&limit=1")
    assert [one["type"] for one in page["events"]] == ["added"]
    rest = ask(server, "GET", f"/queues/q/events/page?after={page['next']}&limit=10")
    assert [one["type"] for one in rest["events"] if one["type"] != "drained"] == ["active", "failed", "removed"]
    assert ask(server, "GET", f"/events/page?after={rest['next']}&type=removed")["events"] == []


@pytest.mark.parametrize("opts", [{"jobId": "a"}, {}], ids=["its own id", "its number"])
def test_the_stream_of_a_job_has_its_progress_and_its_log(server: raw.Server, opts: dict[str, Any]) -> None:
    [job_id, _] = add(server, {"name": "n", "data": 1, "opts": opts}, {"name": "n", "data": 1})
    path = f"/queues/q/jobs/{job_id}"
    with opened(server.port, f"{path}/events?after=start", token=TOKEN) as stream:
        [claimed] = ask(server, "POST", "/queues/q/jobs/claim", {})["jobs"]
        ask(server, "POST", f"{path}/progress", {"step": 1}, token=claimed["token"])
        ask(server, "POST", f"{path}/logs", "a line", token=claimed["token"])
        found = stream.take(4)
    assert told(found) == [(word, job_id) for word in ("added", "active", "progress", "log")]
    assert found[2].data["progress"] == {"step": 1}
    assert found[3].data["line"] == "a line"
    page = ask(server, "GET", "/queues/q/events/page?after=start")
    assert not {one["type"] for one in page["events"]} & {"progress", "log"}


def test_the_stream_of_a_job_that_does_not_exist_yet_has_all_of_it(server: raw.Server) -> None:
    with opened(server.port, "/queues/q/jobs/a/events", token=TOKEN) as stream:
        add(server, {"name": "n", "data": 1, "opts": {"jobId": "a"}}, {"name": "n", "data": 1})
        work_one(server)
        assert told(stream.take(3)) == [("added", "a"), ("active", "a"), ("completed", "a")]


def test_a_token_sees_events_of_its_queues_and_without_payload_no_reason_object_or_line(
    server: raw.Server, own_db: Database
) -> None:
    narrow = issue(own_db, "events@mail*").secret
    with (
        opened(server.port, "/events?queue=mail*&queue=q*", token=narrow) as stream,
        opened(server.port, "/queues/mail/jobs/a/events", token=narrow) as of_job,
    ):
        add(server, {"name": "n", "data": 1})
        add(server, {"name": "n", "data": 1, "opts": {"jobId": "a"}}, queue="mail")
        [claimed] = ask(server, "POST", "/queues/mail/jobs/claim", {})["jobs"]
        ask(server, "POST", "/queues/mail/jobs/a/progress", {"step": "secret"}, token=claimed["token"])
        ask(server, "POST", "/queues/mail/jobs/a/logs", "secret", token=claimed["token"])
        ask(server, "POST", "/queues/mail/jobs/a/fail", {"token": claimed["token"], "failedReason": "secret"})
        found = [one for one in stream.take(4) if one.event != "drained"]
        assert told(found)[:3] == [("added", "a"), ("active", "a"), ("failed", "a")]
        assert "secret" not in json.dumps([one.data for one in found + of_job.take(5)])
    [answer] = server.ask(raw.request("GET", "/queues/q/events", token=narrow), wanted=1)
    assert answer.status == 403


@pytest.mark.parametrize(("query", "status"), [("queue=other", 403), ("queue=mine&queue=other", 403), ("queue=*", 200)])
def test_a_queue_that_the_token_may_not_see_is_refused_if_it_is_named(
    client: Client, db: Database, query: str, status: int
) -> None:
    reader = Client(client.flask, token=issue(db, "events@mine").secret)
    assert reader.get(f"/events/page?{query}").status_code == status
    assert reader.get("/events?queue=other").status_code == 403


def test_streams_of_a_token_that_is_revoked_end_and_no_others(server: raw.Server, own_db: Database) -> None:
    issued = issue(own_db, "events")
    with (
        opened(server.port, "/events", token=issued.secret) as stream,
        opened(server.port, "/events", token=TOKEN) as other,
    ):
        tokens.revoke(own_db, actor=ACTOR, token_id=issued.token.id)
        assert list(stream) == [], "it ends"
        add(server, {"name": "n", "data": 1})
        assert other.take(1)[0].event == "added"


def test_a_token_has_so_many_streams_and_a_process_too(server: raw.Server, own_db: Database) -> None:
    issued = issue(own_db, "events")
    with contextlib.ExitStack() as stack:
        for _ in range(STREAMS):
            stack.enter_context(opened(server.port, "/events", token=issued.secret))
        [answer] = server.ask(raw.request("GET", "/events", token=issued.secret), wanted=1)
        assert (answer.status, answer.json()["code"]) == (429, "over_quota")
        assert answer.headers["retry-after"]
        all_streams = [
            stack.enter_context(opened(server.port, "/events", token=TOKEN)) for _ in range(STREAMS_MAX - STREAMS)
        ]
        [answer] = server.ask(raw.request("GET", "/events", token=TOKEN), wanted=1)
        assert answer.status == 429
        add(server, {"name": "n", "data": 1})
        assert {stream.take(1)[0].event for stream in all_streams} == {"added"}


def test_a_token_has_as_many_streams_as_its_limits_say(server: raw.Server, own_db: Database) -> None:
    issued = issue(own_db, "events", limits=Limits(streams=2))
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(opened(server.port, "/events", token=issued.secret))
        [answer] = server.ask(raw.request("GET", "/events", token=issued.secret), wanted=1)
        assert answer.status == 429


def test_streams_end_when_the_process_stops_and_a_reader_that_resumes_misses_nothing(own_url: str) -> None:
    seen: list[streams.Told] = []
    last_id = None
    added: list[str] = []
    for stop in ("kill", "terminate", "kill"):
        with raw.server(own_url, **raw.PATIENT) as serving:
            if last_id is None:
                added += add(serving, {"name": "n", "data": 1})
            stream = EventStream(serving.port, "/events?after=start", token=TOKEN, last_id=last_id)
            for _ in range(5):
                added += add(serving, *[{"name": "n", "data": 1}] * 3)
            while len({one.data["id"] for one in seen if one.event == "added"}) < len(added) - 4:
                seen += [one for one in stream.take(1) if one.event == "added"]
            last_id = stream.last_id
            getattr(serving.program.process, stop)()
            list(stream)
            stream.close()
    with (
        raw.server(own_url, **raw.PATIENT) as serving,
        opened(serving.port, "/events", token=TOKEN, last_id=last_id) as stream,
    ):
        while {one.data["id"] for one in seen if one.event == "added"} != set(added):
            seen += [one for one in stream.take(1) if one.event == "added"]
    ids = list(dict.fromkeys(one.id for one in seen))
    assert ids == sorted(ids, key=lambda each: int(each or 0)), "in order"
    assert len(ids) == len(added), "and none but repeats twice"


def test_what_is_older_than_what_is_kept_is_a_gap_and_what_is_newer_than_all_a_reset(
    client: Client, db: Database, shared_url: str
) -> None:
    client.add({"name": "n", "data": 1}, {"name": "n", "data": 2})
    work.fold(db)
    databases.run(shared_url, "delete from rowline.events")
    client.add({"name": "n", "data": 3})
    work.fold(db)
    page = json.loads(client.get("/events/page?after=0").text)
    gap, first = page["events"]
    assert (gap["type"], gap["from"], gap["to"] + 1, first["type"]) == ("gap", 1, first["eventId"], "added")
    assert (set(gap), gap["eventId"]) == ({"eventId", "type", "at", "from", "to"}, gap["to"])
    page = json.loads(client.get(f"/events/page?after={first['eventId'] + 10}").text)
    [reset] = page["events"]
    assert set(reset) == {"eventId", "type", "at", "cursor"}
    assert (reset["type"], reset["cursor"], page["next"]) == ("reset", first["eventId"], first["eventId"])
    assert json.loads(client.get("/events/page").text) == {"events": [], "next": first["eventId"]}


def test_a_stream_tells_a_gap_too_also_the_first_of_a_process(
    server: raw.Server, own_db: Database, own_url: str
) -> None:
    add(server, {"name": "n", "data": 1})
    work.fold(own_db)
    databases.run(own_url, "delete from rowline.events")
    add(server, {"name": "n", "data": 2})
    for _ in range(2):
        with opened(server.port, "/events", token=TOKEN, last_id="0") as stream:
            assert [one.event for one in stream.take(2)] == ["gap", "added"]


def test_a_stream_after_an_event_that_is_later_than_all_tells_a_reset(server: raw.Server) -> None:
    with opened(server.port, "/events", token=TOKEN, last_id="1000") as stream:
        [reset] = stream.take(1)
        add(server, {"name": "n", "data": 1})
        [first] = stream.take(1)
    assert (reset.event, reset.data["cursor"], reset.id, first.event) == ("reset", 0, "0", "added")


def test_a_gap_of_a_queue_is_told_to_who_may_see_the_queue_alone(
    server: raw.Server, own_db: Database, own_url: str
) -> None:
    narrow = issue(own_db, "events@mail").secret
    with opened(server.port, "/events", token=narrow) as stream, opened(server.port, "/events", token=TOKEN) as other:
        databases.run(own_url, "insert into rowline.job_deltas (queue, waiting) values ('q', 1)")
        [gap] = other.take(1)
        add(server, {"name": "n", "data": 1}, queue="mail")
        assert [one.event for one in stream.take(1)] == ["added"]
    assert (gap.event, gap.data["queue"]) == ("gap", "q")


def test_a_stream_of_one_queue_says_how_far_it_has_read_by_ids_without_events(server: raw.Server) -> None:
    with (
        opened(server.port, "/queues/quiet/events", token=TOKEN) as stream,
        opened(server.port, "/queues/quiet/events", token=TOKEN, headers=OLD_CLIENT) as old,
        opened(server.port, "/queues/q/events", token=TOKEN) as busy,
    ):
        add(server, *[{"name": "n", "data": 1}] * 3)
        last = busy.take(3)[-1].id
        blocks = [block(stream)]
        while blocks[-1] == b":\n":  # one that came before the jobs, as the machine is slow
            blocks.append(block(stream))
        assert blocks[-1] == f":\nid: {last}\n".encode()
        assert {block(old) for _ in blocks} == {b":\n"}, "an id alone it could not read"


def test_the_stream_of_an_id_tells_of_each_job_that_had_it_what_was_its_own(
    server: raw.Server, own_db: Database
) -> None:
    for nth in range(2):
        add(server, {"name": "n", "data": 1, "opts": {"jobId": "a"}})
        [claimed] = ask(server, "POST", "/queues/q/jobs/claim", {})["jobs"]
        ask(server, "POST", "/queues/q/jobs/a/progress", nth, token=claimed["token"])
        ask(server, "POST", "/queues/q/jobs/a/logs", f"line {nth}", token=claimed["token"])
        if not nth:
            body = {"token": claimed["token"], "failedReason": "no"}
            ask(server, "POST", "/queues/q/jobs/a/fail", body)
            ask(server, "DELETE", "/queues/q/jobs/a")
    work.fold(own_db)
    with opened(server.port, "/queues/q/jobs/a/events?after=start&type=progress&type=log", token=TOKEN) as stream:
        found = [(one.event, one.data.get("progress"), one.data.get("line")) for one in stream.take(4)]
    assert found == [("progress", None, None), ("log", None, None), ("progress", 1, None), ("log", None, "line 1")]


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "after=1&after=2", "type=odd", "include=data", "limit=0", "limit=1001"]
)
def test_a_query_that_is_wrong_is_refused_by_name(client: Client, query: str) -> None:
    answer = client.get(f"/events/page?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.text


def test_without_events_the_routes_say_so(own_url: str) -> None:
    with raw.server(own_url, ROWLINE_EVENTS="off") as serving:
        for path in ("/events", "/queues/q/events", "/queues/q/jobs/a/events", "/events/page", "/queues/q/events/page"):
            [answer] = serving.ask(raw.request("GET", path), wanted=1)
            assert (answer.status, answer.json()["code"]) == (404, "events_off")


def test_a_client_that_does_not_read_is_cut_and_the_process_keeps_little_for_it(own_url: str) -> None:
    with (
        raw.server(own_url, ROWLINE_CLIENT_S="1", **raw.PATIENT) as serving,
        opened(serving.port, "/events?include=name", token=TOKEN) as slow,
        opened(serving.port, "/events", token=TOKEN) as quick,
    ):
        jobs = [{"name": "n" * 200, "data": 1}] * 2_000
        for _ in range(20):
            ask(serving, "POST", "/queues/q/jobs", jobs)
            quick.take(2_000)
        found = list(slow)
        assert found[-1].event in {"lagged", "added"}
        assert len(found) < 40_000
        ids = [int(one.id) for one in found if one.id]
        assert ids == sorted(ids)


def test_a_head_of_a_stream_ends_at_once(server: raw.Server) -> None:
    sent = raw.request("HEAD", "/events") + raw.request("GET", "/events/page", "Connection: close")
    with socket.create_connection(("127.0.0.1", server.port), timeout=raw.DEADLINE_S) as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b"text/event-stream" in received
