"""What the client is given: jobs or their ids, and lists of strings."""

from typing import Any

import pytest
import rowline

from tests.support.httpproxy import HttpProxy


def test_a_call_about_one_job_takes_the_job_or_its_id(queue: rowline.Queue) -> None:
    job = queue.add("n", delay_ms=60_000)
    assert queue.get(job).id == queue.change(job, priority=3).id == queue.promote(job).id == job.id
    [lease] = queue.claim()
    assert queue.get(lease).status == "active"
    assert [one.outcome for one in queue.attempts(lease)] == ["running"]
    queue.fail(lease, "no")
    assert queue.retry(job).status == queue.get(job.id).status
    assert queue.cancel(job).failed_reason == "job cancelled"
    assert (queue.logs(job).count, queue.remove(job).id) == (0, job.id)


def test_what_is_neither_a_job_nor_an_id_is_refused(queue: rowline.Queue, proxy: HttpProxy) -> None:
    number: Any = 42
    for call in (queue.get, queue.cancel, queue.remove, queue.retry, queue.promote, queue.change, queue.logs):
        with pytest.raises(TypeError, match="a job or its id, a string, is needed, not 42"):
            call(number)
    with pytest.raises(TypeError, match="a job or its id"):
        queue.wait(number, timeout_s=1)
    plain: Any = [{"name": "n"}]
    with pytest.raises(TypeError, match=r"a list of rowline\.NewJob, not of dict"):
        queue.add_many(plain)
    assert proxy.requests == []


def test_a_string_is_not_stored_as_the_list_of_its_letters(api: rowline.Rowline, proxy: HttpProxy) -> None:
    queue = api.queue("q")
    with pytest.raises(TypeError, match="tags must be a list of strings, not 'vip'"):
        queue.change("1", tags="vip")
    with pytest.raises(TypeError, match="keys must be a list of strings, not 'customer'"):
        queue.change_settings(keys="customer")
    with pytest.raises(TypeError, match=r"scopes must be a list of strings, not 'jobs:read'"):
        api.create_token("n", "jobs:read")
    assert proxy.requests == []
