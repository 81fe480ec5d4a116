"""Steps of a client over HTTP, each compared with the model: answers, jobs, counts, order."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tests.model.model import Model
from tests.support import answers, databases
from tests.support.client import Client

HOUR_MS = 3_600_000


class QueueMachine(RuleBasedStateMachine):
    """A queue of the service beside its model. `client` and `url` are set by who runs it."""

    client: Client
    url: str
    ids = Bundle("ids")

    @initialize()
    def begin(self) -> None:
        """Begin with nothing."""
        databases.run(
            self.url,
            "truncate rowline.jobs, rowline.attempts, rowline.logs, rowline.job_deltas, rowline.job_counts, "
            "rowline.queue_settings",
        )
        self.model = Model()

    @rule(
        target=ids,
        jobs=st.lists(
            st.tuples(st.sampled_from([0, 0, 1, 5]), st.booleans(), st.integers(1, 3), st.booleans()),
            min_size=1,
            max_size=3,
        ),
    )
    def add(self, jobs: list[tuple[int, bool, int, bool]]) -> Any:
        """Add some jobs."""
        bodies = []
        for priority, lifo, attempts, is_delayed in jobs:
            opts = {"lifo": lifo, "attempts": attempts} | ({"priority": priority} if priority else {})
            bodies.append({"name": "n", "data": 1, "opts": opts | ({"delay": HOUR_MS} if is_delayed else {})})
        added = [job["id"] for job in self.client.add(*bodies)]
        for job_id, (priority, lifo, attempts, is_delayed) in zip(added, jobs, strict=True):
            self.model.add(job_id, priority=priority, lifo=lifo, attempts=attempts, is_delayed=is_delayed)
        return multiple(*added)

    @rule(count=st.integers(1, 4))
    def claim(self, count: int) -> None:
        """Claim, and compare which jobs come and in which order."""
        leases = self._post("claim", {"count": count})["jobs"]
        assert [lease["job"]["id"] for lease in leases] == self.model.claim(count)
        for lease in leases:
            self.model.jobs[lease["job"]["id"]].token = lease["token"]

    @rule(job_id=ids, result=st.sampled_from([None, 1, "done"]))
    def complete(self, job_id: str, result: Any) -> None:
        """Complete an attempt that runs."""
        if token := self._token(job_id):
            told = self._post(f"{job_id}/complete", {"token": token, "returnvalue": result})
            assert told["status"] == self.model.complete(job_id, result)

    @rule(job_id=ids, is_unrecoverable=st.booleans())
    def fail(self, job_id: str, is_unrecoverable: bool) -> None:  # noqa: FBT001 - drawn
        """Fail an attempt that runs."""
        if token := self._token(job_id):
            body = {"token": token, "failedReason": "why", "unrecoverable": is_unrecoverable}
            told = self._post(f"{job_id}/fail", body)
            assert told["status"] == self.model.fail(job_id, "why", is_unrecoverable=is_unrecoverable)

    @rule(job_id=ids)
    def release(self, job_id: str) -> None:
        """Give back a job that runs."""
        if token := self._token(job_id):
            assert self._post(f"{job_id}/release", {"token": token})["status"] == self.model.release(job_id)

    @rule(job_id=ids)
    def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        self._compare("POST", f"{job_id}/cancel", self.model.cancel(job_id))

    @rule(job_id=ids)
    def remove(self, job_id: str) -> None:
        """Remove a job."""
        self._compare("DELETE", job_id, self.model.remove(job_id))

    @rule(job_id=ids, resets=st.booleans())
    def retry(self, job_id: str, resets: bool) -> None:  # noqa: FBT001 - drawn
        """Retry a job."""
        self._compare("POST", f"{job_id}/retry", self.model.retry(job_id, resets=resets), {"resetAttempts": resets})

    @rule(job_id=ids)
    def promote(self, job_id: str) -> None:
        """Promote a job."""
        self._compare("POST", f"{job_id}/promote", self.model.promote(job_id))

    @rule(
        job_id=ids,
        priority=st.sampled_from([None, 0, 1, 5]),
        lifo=st.sampled_from([None, False, True]),
        is_delayed=st.booleans(),
    )
    def change(self, job_id: str, priority: int | None, lifo: bool | None, is_delayed: bool) -> None:  # noqa: FBT001
        """Change a job."""
        body: dict[str, Any] = {} if priority is None else {"priority": priority}
        body |= ({} if lifo is None else {"lifo": lifo}) | ({"delay": HOUR_MS} if is_delayed else {})
        if body:
            said = self.model.change(job_id, priority=priority, lifo=lifo, is_delayed=is_delayed)
            self._compare("PATCH", job_id, said, body)

    @rule()
    def pause(self) -> None:
        """Pause the queue."""
        assert answers.ok(self.client.post("/queues/q/pause", ""))["paused"]
        self.model.is_paused = True

    @rule()
    def resume(self) -> None:
        """Resume the queue."""
        assert not answers.ok(self.client.post("/queues/q/resume", ""))["paused"]
        self.model.is_paused = False

    @invariant()
    def same(self) -> None:
        """Compare all jobs, and the counts by all ways."""
        page = self.client.page(length=100)
        assert page["counts"] == self.model.counts()
        seen = {job["id"]: job for job in page["jobs"]}
        newest = list(reversed(self.model.jobs))[:100]
        assert set(newest) == set(seen)
        for job_id in newest:
            expected = self.model.jobs[job_id].seen()
            assert {name: seen[job_id].get(name) for name in expected} == expected
        queue = answers.ok(self.client.get("/queues/q"))
        assert (queue["counts"], queue["paused"]) == (self.model.counts(), self.model.is_paused)

    def _token(self, job_id: str) -> str | None:
        job = self.model.jobs.get(job_id)
        return job.token if job and job.status == "active" else None

    def _post(self, path: str, body: Any) -> Any:
        return answers.ok(self.client.post(f"/queues/q/jobs/{path}", json.dumps(body)))

    def _compare(self, method: str, path: str, status: int, body: Any = None) -> None:
        """Send a request, and compare the status of the response."""
        data = "" if body is None else json.dumps(body)
        answer = self.client.flask.open(
            f"/queues/q/jobs/{path}", method=method, data=data, headers=self.client.authorization
        )
        assert answer.status_code == status, answer.text
