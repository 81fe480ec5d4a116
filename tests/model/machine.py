"""Steps of a client over HTTP, each compared with the model: answers, jobs, counts, order."""

import dataclasses
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from app.domain import fingerprint
from app.operations import deduplication, maintenance
from app.postgres.database import Database
from tests.model.held import ADDED, Ids, Mode, Spec
from tests.model.model import CANCELLED, OVER, UNSTARTED, Model, ModelJob, Retried
from tests.model.ticks import ScheduleRules
from tests.support import answers, databases, terms
from tests.support.client import Client
from tests.support.plans import run

HOUR_MS = 3_600_000


FEW = 6
"""With so many jobs none is added: so steps meet at the same ones, and one lives through many."""
GONE = 8  # one in so many picks may mean a job that is removed
PICKS = st.integers(0, 999)
"""Which of the jobs that can be meant, modulo their number."""
CLEANABLE = ["completed", "failed", "waiting", "prioritized", "delayed"]
SOME = st.lists(st.sampled_from([*CLEANABLE, "active"]), min_size=1, max_size=3, unique=True)
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
REASONS = ["fail", "fail for good", CANCELLED, UNSTARTED]
"""With which jobs fail."""
FLAGS: dict[str, tuple[str, Any]] = {
    "goes": ("removeOnComplete", True),
    "goes_bad": ("removeOnFail", True),
    "is_late": ("startBy", 1),
}
"""The option that makes a job so, by the field of the model."""
KINDS = st.sampled_from(
    [
        {"name": "n", "tags": (), "customer": 1},
        {"name": "n", "tags": ("x",), "customer": 2},
        {"name": "m", "tags": ("x", "y"), "customer": 2},
    ]
)
CUSTOMERS = st.sampled_from([None, None, 1, 2])
DEDUP_IDS = ("d", "e")
MODES = st.none() | st.fixed_dictionaries(
    {"id": st.sampled_from(DEDUP_IDS)},
    optional={
        "ttl": st.just(HOUR_MS),
        "extend": st.booleans(),
        "replace": st.booleans(),
        "keepLastIfActive": st.booleans(),
    },
)
JOBS = st.lists(
    st.tuples(
        OPTIONS,
        st.fixed_dictionaries(
            {
                "goes": st.sampled_from([False, False, True]),
                "goes_bad": st.sampled_from([False, False, False, True]),
                "is_late": st.sampled_from([False, False, False, True]),
            }
        ),
        KINDS,
        MODES,
    ),
    min_size=1,
    max_size=4,
)


def is_of_tag(term: terms.Term) -> bool:
    """Return whether it is a tag's: these are never filled later, as those of a key are."""
    return term[1].startswith("tag:")


class QueueMachine(ScheduleRules):
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
            "rowline.queue_settings, rowline.plans, rowline.plan_jobs, rowline.plan_removed, rowline.plan_retried, "
            "rowline.deduplications, rowline.terms, rowline.term_fills, rowline.schedules",
        )
        with self.db.begin() as conn:
            terms.trust(conn)
        self.model = Model()
        self.held = Ids()
        self.one = None
        self.ids: list[str] = []
        self.removed: tuple[str, list[ModelJob]] | None = None  # what a plan removed last, and its id
        self.retried: tuple[str, list[Retried]] | None = None  # the same of a retry

    @precondition(lambda self: len(self.model.jobs) < FEW)
    @rule(jobs=JOBS)
    def add(self, jobs: list[Spec]) -> None:
        """Add some jobs, and compare what becomes of those with deduplication ids."""
        bodies = []
        for sent, flags, kind, mode in jobs:
            opts = sent | {option: value for flag, (option, value) in FLAGS.items() if flags[flag]}
            opts |= {"deduplication": mode} if mode else {}
            data = {"customer": kind["customer"]}
            bodies.append({"name": kind["name"], "data": data, "opts": opts | {"tags": kind["tags"]}})
        for told, spec in zip(self.client.add(*bodies), jobs, strict=True):
            asked: Mode | None = spec[-1]
            outcome = "created" if asked is None else self.held.outcome(self.model.jobs, asked, spec)
            assert told["outcome"] == outcome
            if outcome not in ADDED:
                assert asked is not None
                assert told["id"] == self.held.holder(self.model.jobs, asked["id"])
            else:
                self._added(told["id"], outcome, spec)

    def _added(self, job_id: str, outcome: str, spec: Spec) -> None:
        sent, flags, kind, mode = spec
        self.model.add(job_id, sent, **kind, **flags)
        self.ids.append(job_id)
        if mode is not None:
            self.held.hold(mode, outcome, job_id)

    @precondition(lambda self: any(held.stored for held in self.held.held.values()))
    @rule()
    def follow(self) -> None:
        """Have the stored jobs follow whose holders have ended, as a round does."""
        due = self.held.to_follow(self.model.jobs)
        assert deduplication.follow(self.db) == ({"q"} if due else set())
        for dedup_id, spec in due:
            held = answers.ok(self.client.get(f"/queues/q/deduplication/{dedup_id}"))
            self._added(held["jobId"], "created", spec)

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
        customer=CUSTOMERS,
    )
    def change(
        self,
        pick: int,
        priority: int | None,
        lifo: bool | None,  # noqa: FBT001
        is_delayed: bool,  # noqa: FBT001
        customer: int | None,
    ) -> None:
        """Change a job."""
        job_id = self._meant(pick)
        body: dict[str, Any] = {} if priority is None else {"priority": priority}
        body |= ({} if lifo is None else {"lifo": lifo}) | ({"delay": HOUR_MS} if is_delayed else {})
        body |= {} if customer is None else {"data": {"customer": customer}}
        if body:
            delay = HOUR_MS * is_delayed
            said = self.model.change(job_id, priority=priority, lifo=lifo, delay=delay, customer=customer)
            self._compare("PATCH", job_id, said, body)

    @precondition(lambda self: any(job.is_late for job in self.model.jobs.values()))
    @rule()
    def fail_unstarted(self) -> None:
        """Fail the jobs that should have started by now, as a round does."""
        assert sum(maintenance.fail_unstarted(self.db).values()) == self.model.fail_unstarted()

    @rule(
        verb=st.sampled_from(["resume", "resume", "pause", "set"]),
        defaults=OPTIONS,
        keys=st.sampled_from([[], ["customer"]]),
        is_filled=st.booleans(),
    )
    def hold(self, verb: str, defaults: dict[str, Any], keys: list[str], is_filled: bool) -> None:  # noqa: FBT001
        """Pause the queue, or resume it, or give it other defaults, and keys, whose terms are filled now or later."""
        if verb == "set":
            self.model.defaults = defaults
            body = json.dumps({"settings": {"defaults": defaults, "keys": keys or None}})
            answers.ok(self.client.flask.patch("/queues/q", data=body, headers=self.client.authorization))
            if is_filled:
                terms.run(self.db)
                terms.check(self.db)
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
        assert (told["status"], told["done"]) == ("applied", len(expected))
        self.removed = (told["id"], expected)

    @rule(
        action=st.sampled_from(["remove", "retry", "promote", "cancel", "undo", "undo", "undo a retry"]), statuses=SOME
    )
    def plan(self, action: str, statuses: list[str]) -> None:
        """Plan something, and apply it; or undo the last removal, or the last retry."""
        if action in {"undo", "undo a retry"}:
            self._undo(of_retry=action != "undo")
            return
        made = self._post_plan("", {"action": action, "filter": {"since": 0, "statuses": statuses}})
        before = [dataclasses.replace(job) for job in self.model.jobs.values() if job.status in {*statuses} & OVER]
        self._post_plan(f"/{made['id']}/apply", {"matched": made["matched"]})
        told = answers.ok(self.client.get(f"/queues/q/plans/{made['id']}"))
        if action == "remove":
            active = [job for job in self.model.active() if "active" in statuses]
            removed = self.model.clear({*statuses} - {"active"})
            expected = (len(removed) + len(active), len(removed))
            self.removed = (made["id"], removed)
        else:
            expected = self.model.plan(action, statuses)
        if action == "retry":
            self.retried = (made["id"], [(job, self.model.jobs[job.id].moved_at) for job in before])
        assert (told["status"], told["matched"], told["done"]) == ("applied", *expected)

    def _undo(self, *, of_retry: bool) -> None:
        if of_retry:
            if self.retried is not None and self.retried[1]:
                plan_id, retried = self.retried
                self._post_plan(f"/{plan_id}/undo", {})
                told = answers.ok(self.client.get(f"/queues/q/plans/{plan_id}"))
                undone = self.model.undo(retried)
                counted = (told["status"], told.get("undone", 0), told.get("notUndone", 0))
                assert counted == ("undone", undone, len(retried) - undone)
            self.retried = None
            return
        if self.removed is not None and self.removed[1]:
            self._post_plan(f"/{self.removed[0]}/undo", {})
            self.model.restore(self.removed[1])
        self.removed = None

    def _post_plan(self, path: str, body: Any) -> Any:
        """Send something of a plan, and let it go on until it rests."""
        told = answers.ok(self.client.post(f"/queues/q/plans{path}", json.dumps(body)))
        run(self.db)
        return told

    @rule(
        name=st.sampled_from([None, None, "n", "m"]),
        tags=st.sampled_from([(), ("x",), ("y", "x")]),
        customer=CUSTOMERS,
        status=st.sampled_from([None, *CLEANABLE]),
        order=st.sampled_from(["asc", "desc"]),
    )
    def find(
        self, name: str | None, tags: tuple[str, ...], customer: int | None, status: str | None, order: str
    ) -> None:
        """Find jobs by name, tags, data and status."""
        query: dict[str, Any] = {} if name is None else {"name": name}
        query |= {} if customer is None else {"data.customer": customer}
        expected = self.model.find(name=name, tags=tags, customer=customer, status=status)
        self._found(query | {"tag": tags, "statuses": status or "all"}, expected, order)

    @rule(reason=st.sampled_from(REASONS), order=st.sampled_from(["asc", "desc"]))
    def find_failed(self, reason: str, order: str) -> None:
        """Compare the groups of failures; find the jobs of one."""
        failed = {each: self.model.find(status="failed", failed_reason=each) for each in REASONS}
        told = answers.ok(self.client.get("/queues/q/failures"))
        assert {group["example"]: group["count"] for group in told["groups"]} == {
            each: len(ids) for each, ids in failed.items() if ids
        }
        self._found({"fingerprint": fingerprint.of(reason)}, failed[reason], order)

    def _found(self, query: dict[str, Any], expected: list[str], order: str) -> None:
        """Find jobs, two at a time."""
        query = {"since": 0, "order": order, "length": 2} | query
        found: list[str] = []
        page: dict[str, Any] = {"next": None}
        while "next" in page:
            more = {} if page["next"] is None else {"cursor": page["next"]}
            page = answers.ok(self.client.get(f"/queues/q/jobs?{urlencode(query | more, doseq=True)}"))
            found += [job["id"] for job in page["jobs"]]
        assert found == (expected if order == "asc" else expected[::-1])

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
        for dedup_id in DEDUP_IDS:
            held = self.client.get(f"/queues/q/deduplication/{dedup_id}")
            assert (held.json or {}).get("jobId") == self.held.holder(self.model.jobs, dedup_id)
        with self.db.read() as conn:
            have, should = ([term for term in of(conn) if is_of_tag(term)] for of in (terms.stored, terms.expected))
        assert have == should
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
