"""Steps of a client over HTTP, each compared with the model: answers, jobs, counts, order."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.operations import maintenance
from app.postgres.database import Database
from tests.model.model import Model
from tests.support import answers, databases
from tests.support.client import Client

HOUR_MS = 3_600_000


FEW = 6
"""With so many jobs none is added: so steps meet at the same ones, and one lives through many."""
GONE = 8  # one in so many picks may mean a job that is removed
PICKS = st.integers(0, 999)
"""Which of the jobs that can be meant, modulo their number."""
CLEANABLE = ["completed", "failed", "waiting", "prioritized", "delayed"]
LIMITS = st.sampled_from([1, 1, 2, 0])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.sampled_from([1, 5]),
        "lifo": st.booleans(),
        "attempts": st.integers(1, 3),
        "delay": st.sampled_from([0, 0, HOUR_MS]),
    },
)
JOBS = st.lists(
    st.tuples(OPTIONS, st.sampled_from([False, False, True]), st.sampled_from([False, False, False, True])),
    min_size=1,
    max_size=4,
)


class QueueMachine(RuleBasedStateMachine):
    """A queue of the service beside its model. `client`, `db` and `url` are set by who runs it.

    Rules are few, and each does one of several things: so each kind comes often enough for the others to meet it.
    """

    client: Client
    db: Database
    url: str

    @initialize()
    def begin(self) -> None:
        """Begin with nothing."""
        databases.run(
            self.url,
            "truncate rowline.jobs, rowline.attempts, rowline.logs, rowline.job_deltas, rowline.job_counts, "
            "rowline.queue_settings",
        )
        self.model = Model()
        self.ids: list[str] = []

    @precondition(lambda self: len(self.model.jobs) < FEW)
    @rule(jobs=JOBS)
    def add(self, jobs: list[tuple[dict[str, Any], bool, bool]]) -> None:
        """Add some jobs."""
        bodies = []
        for sent, goes, is_late in jobs:
            opts = sent | ({"removeOnComplete": True} if goes else {}) | ({"startBy": 1} if is_late else {})
            bodies.append({"name": "n", "data": 1, "opts": opts})
        added = [job["id"] for job in self.client.add(*bodies)]
        for job_id, (sent, goes, is_late) in zip(added, jobs, strict=True):
            self.model.add(job_id, sent, goes=goes, is_late=is_late)
        self.ids += added

    @rule(count=st.integers(1, 4))
    def claim(self, count: int) -> None:
        """Claim, and compare which jobs come and in which order."""
        leases = self._post("claim", {"count": count})["jobs"]
        assert [lease["job"]["id"] for lease in leases] == self.model.claim(count)
        for lease in leases:
            self.model.jobs[lease["job"]["id"]].token = lease["token"]

    @precondition(lambda self: self.model.active())
    @rule(pick=PICKS, verb=st.sampled_from(["complete", "fail", "fail for good", "release"]))
    def end(self, pick: int, verb: str) -> None:
        """End an attempt that runs."""
        active = self.model.active()
        job = active[pick % len(active)]
        body: dict[str, Any] = {"token": job.token}
        if verb == "complete":
            told, expected = (
                self._post(f"{job.id}/complete", body | {"returnvalue": pick}),
                self.model.complete(job, pick),
            )
        elif verb == "release":
            told, expected = self._post(f"{job.id}/release", body), self.model.release(job)
        else:
            is_unrecoverable = verb == "fail for good"
            told = self._post(f"{job.id}/fail", body | {"failedReason": verb, "unrecoverable": is_unrecoverable})
            expected = self.model.fail(job, verb, is_unrecoverable=is_unrecoverable)
        assert told["status"] == expected

    @precondition(lambda self: self.ids)
    @rule(pick=PICKS, verb=st.sampled_from(["cancel", "remove", "retry", "retry on", "promote"]))
    def manage(self, pick: int, verb: str) -> None:
        """Do something to a job, in whatever status it is."""
        job_id = self._meant(pick)
        match verb:
            case "cancel":
                self._compare("POST", f"{job_id}/cancel", self.model.cancel(job_id))
            case "remove":
                self._compare("DELETE", job_id, self.model.remove(job_id))
            case "promote":
                self._compare("POST", f"{job_id}/promote", self.model.promote(job_id))
            case _:
                resets = verb == "retry"
                body = {"resetAttempts": resets}
                self._compare("POST", f"{job_id}/retry", self.model.retry(job_id, resets=resets), body)

    @precondition(lambda self: self.ids)
    @rule(
        pick=PICKS,
        priority=st.sampled_from([None, 0, 1, 5]),
        lifo=st.sampled_from([None, False, True]),
        is_delayed=st.sampled_from([False, False, True]),
    )
    def change(self, pick: int, priority: int | None, lifo: bool | None, is_delayed: bool) -> None:  # noqa: FBT001
        """Change a job."""
        job_id = self._meant(pick)
        body: dict[str, Any] = {} if priority is None else {"priority": priority}
        body |= ({} if lifo is None else {"lifo": lifo}) | ({"delay": HOUR_MS} if is_delayed else {})
        if body:
            said = self.model.change(job_id, priority=priority, lifo=lifo, delay=HOUR_MS * is_delayed)
            self._compare("PATCH", job_id, said, body)

    @precondition(lambda self: any(job.is_late for job in self.model.jobs.values()))
    @rule()
    def fail_unstarted(self) -> None:
        """Fail the jobs that should have started by now, as a round does."""
        assert sum(maintenance.fail_unstarted(self.db).values()) == self.model.fail_unstarted()

    @rule(verb=st.sampled_from(["resume", "resume", "pause", "set"]), defaults=OPTIONS)
    def hold(self, verb: str, defaults: dict[str, Any]) -> None:
        """Pause the queue, or resume it, or give it other defaults."""
        if verb == "set":
            self.model.defaults = defaults
            body = json.dumps({"settings": {"defaults": defaults}})
            answers.ok(self.client.flask.patch("/queues/q", data=body, headers=self.client.authorization))
            return
        self.model.is_paused = verb == "pause"
        assert answers.ok(self.client.post(f"/queues/q/{verb}", ""))["paused"] == self.model.is_paused

    @rule(verb=st.sampled_from(["drain", "drain delayed", "clean"]), status=st.sampled_from(CLEANABLE), limit=LIMITS)
    def empty(self, verb: str, status: str, limit: int) -> None:
        """Remove many jobs. Seldom enough for jobs to live."""
        if verb == "clean":
            body: dict[str, Any] = {"status": status, "grace": 0, "limit": limit}
            expected = self.model.clear([status], limit=limit)
        else:
            delayed = verb == "drain delayed"
            verb, body = "drain", {"delayed": delayed}
            expected = self.model.clear(["waiting", "prioritized", *["delayed"] * delayed])
        told = answers.ok(self.client.post(f"/queues/q/{verb}", json.dumps(body)))
        assert told == {"removed": expected, "isComplete": True}

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
        assert queue["settings"].get("defaults", {}) == self.model.defaults

    def _meant(self, pick: int) -> str:
        """Return the id of a job, which may be gone."""
        ids = self.ids if pick % GONE == 0 or not self.model.jobs else list(self.model.jobs)
        return ids[pick % len(ids)]

    def _post(self, path: str, body: Any) -> Any:
        return answers.ok(self.client.post(f"/queues/q/jobs/{path}", json.dumps(body)))

    def _compare(self, method: str, path: str, status: int, body: Any = None) -> None:
        """Send a request, and compare the status of the response."""
        data = "" if body is None else json.dumps(body)
        answer = self.client.flask.open(
            f"/queues/q/jobs/{path}", method=method, data=data, headers=self.client.authorization
        )
        assert answer.status_code == status, answer.text
