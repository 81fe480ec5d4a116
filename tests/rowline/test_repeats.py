"""What the client repeats when answers are lost, and what it must not."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import rowline

from app.postgres.database import Database
from tests.support import httpproxy, raw
from tests.support.clusters import until
from tests.support.httpproxy import Fault, HttpProxy


@pytest.mark.parametrize(
    "plan",
    [
        [Fault.LOSE_ANSWER],
        [Fault.HALF_ANSWER],
        [Fault.CUT],
        [Fault.SAY_LATER],
        [Fault.LOSE_AND_SAY_LATER],
        [Fault.LOSE_ANSWER, Fault.LOSE_AND_SAY_LATER, Fault.CUT, Fault.LOSE_ANSWER],
    ],
    ids=lambda plan: "-".join(fault.name.lower() for fault in plan),
)
def test_a_batch_is_added_once_whatever_is_lost(queue: rowline.Queue, proxy: HttpProxy, plan: list[Fault]) -> None:
    proxy.plan = list(plan)
    added = queue.add_many([rowline.NewJob(name="n", data=number) for number in range(3)])

    assert [job.data for job in added] == [0, 1, 2]
    assert [job.outcome for job in added] == ["created"] * 3
    assert queue.counts("waiting") == {"waiting": 3}
    assert proxy.plan == []


def test_retry_after_is_waited_for(queue: rowline.Queue, proxy: HttpProxy) -> None:
    proxy.plan = [Fault.SAY_LATER]
    began = time.monotonic()
    queue.add("n")

    assert time.monotonic() - began >= 1


def test_a_get_is_repeated(queue: rowline.Queue, proxy: HttpProxy) -> None:
    added = queue.add("n")
    proxy.plan = [Fault.CUT, Fault.HALF_ANSWER, Fault.LOSE_ANSWER]

    assert queue.get(added.id).id == added.id


@pytest.mark.parametrize("verb", ["remove", "retry", "promote", "change"])
def test_what_is_done_to_a_job_by_hand_is_not_repeated_if_its_answer_is_lost(
    queue: rowline.Queue, proxy: HttpProxy, verb: str
) -> None:
    added = queue.add("n", delay_ms=3_600_000 if verb == "promote" else None)
    if verb == "retry":
        queue.cancel(added.id)
    proxy.plan = [Fault.LOSE_ANSWER]

    with pytest.raises(rowline.Unavailable) as raised:
        getattr(queue, verb)(added.id, **({"name": "other"} if verb == "change" else {}))
    assert raised.value.is_outcome_unknown


def test_trouble_that_does_not_end_is_told_in_time(proxy: HttpProxy) -> None:
    proxy.plan = [Fault.LOSE_ANSWER] * 100
    with (
        rowline.Rowline(proxy.url, raw.TOKEN, timeout_s=1) as client,
        pytest.raises(rowline.Unavailable) as raised,
    ):
        client.queue("q").add("n")
    assert raised.value.is_outcome_unknown


def test_who_is_asked_to_wait_longer_than_there_is_time_is_told_at_once(
    proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = httpproxy.LATER.replace(b"Retry-After: 1", b"Retry-After: 3600")
    monkeypatch.setitem(httpproxy.OWN_ANSWERS, Fault.SAY_LATER, later)
    proxy.plan = [Fault.SAY_LATER]
    with (
        rowline.Rowline(proxy.url, raw.TOKEN, timeout_s=60) as client,
        pytest.raises(rowline.Unavailable) as raised,
    ):
        client.queue("q").add("n")
    assert (raised.value.status, raised.value.is_outcome_unknown) == (503, False)


def test_nobody_there_is_told_in_time_and_nothing_was_done() -> None:
    client = rowline.Rowline("http://127.0.0.1:1", "t", timeout_s=1)
    with pytest.raises(rowline.Unavailable, match="no response from") as raised:
        client.queue("q").add("n")
    assert (raised.value.code, raised.value.is_outcome_unknown) == ("no_answer", False)


def test_a_redirect_is_not_followed(queue: rowline.Queue, proxy: HttpProxy) -> None:
    proxy.plan = [Fault.REDIRECT]
    with pytest.raises(rowline.RowlineError, match=r"redirected to http://127\.0\.0\.1:1/"):
        queue.counts()


def test_a_closed_client_says_so(api: rowline.Rowline) -> None:
    api.close()
    with pytest.raises(rowline.Unavailable, match="closed"):
        api.queue("q").counts()
    with pytest.raises(rowline.Unavailable, match="closed"):
        api.queue("q").wait("n", timeout_s=60)


def test_closing_a_client_ends_its_waits(api: rowline.Rowline, queue: rowline.Queue, proxy: HttpProxy) -> None:
    added = queue.add("n")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(queue.wait, added, timeout_s=600)
        until(lambda: any(b"?wait=" in request for request in proxy.requests))
        api.close()
        with pytest.raises(rowline.Unavailable, match="closed"):
            waiting.result(60)


@pytest.mark.parametrize("fault", [Fault.PAGE, Fault.OTHER_JSON])
def test_what_is_no_answer_of_the_service_is_told(queue: rowline.Queue, proxy: HttpProxy, fault: Fault) -> None:
    proxy.plan = [fault]
    with pytest.raises(rowline.RowlineError, match="not a response of Rowline") as raised:
        queue.claim()
    assert raised.value.code == "not_rowline"


def test_a_service_that_is_restarted_is_waited_for(db: Database, shared_url: str) -> None:
    with raw.server(shared_url) as first:
        queue = rowline.Rowline(f"http://127.0.0.1:{first.port}", raw.TOKEN).queue("q")
        queue.add("n", 1)
        first.program.end(signal.SIGTERM)
    with ThreadPoolExecutor() as pool:
        adding = pool.submit(queue.add, "n", 2)
        with raw.server(shared_url, PORT=str(first.port)):
            assert adding.result().data == 2
            assert queue.counts("waiting") == {"waiting": 2}
