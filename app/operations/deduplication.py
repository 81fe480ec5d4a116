"""Adding jobs with deduplication ids, and letting stored jobs follow those that held an id.

The order of locks is that of the ids, then that of the numbers of the jobs that hold them; whoever ends, removes or
changes a job locks no ids.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.domain import ids
from app.domain.audit import Act, Actor
from app.domain.deduplication import ADDED, Deduplication, Holder, InsertOutcome, fate
from app.domain.errors import Fault, InvalidRequest
from app.domain.job import Job, JsonText, NewJob
from app.domain.states import FINAL, Status
from app.infra.cooperation import give_way, in_pieces
from app.infra.room import BLIND, SMALL, Reservation
from app.operations import adding, operation
from app.operations.adding import Submitted
from app.postgres.database import Connection, Database
from app.store import audit, deduplications, jobs
from app.store.deduplications import FIRST, Place, Settled

_log = logging.getLogger(__name__)

AT_ONCE = 1_000
"""Ids that one statement looks at."""
FEW = BLIND // SMALL
REPLACED_MAX = 100
"""How often a request may replace jobs of its own."""
EPOCH = datetime.fromtimestamp(0, UTC)


def submit(conn: Connection, *, queue: str, new: Sequence[NewJob], held: Reservation) -> list[Submitted]:
    """Add an array of jobs, those too that have deduplication ids; return what became of each, in their order.

    Waits for others that add jobs with the same ids. Raises NoRoom, TooLarge; DatabaseError, for another try, if
    another transaction adds a job with a custom id of these meanwhile, or removes it.
    """
    if not any(job.deduplication for job in new):
        return adding.submit(conn, queue=queue, new=new, held=held)
    _require_few(new)
    return _Array(conn, queue, new, held).submit()


def _require_few(new: Sequence[NewJob]) -> None:
    """Raise InvalidRequest if an array replaces its own jobs again and again: each time costs some statements."""
    replacing = [job.deduplication.id for job in new if job.deduplication and job.deduplication.replaces]
    if len(replacing) - len(set(replacing)) > REPLACED_MAX:
        message = f"repeat ids with `replace` over {REPLACED_MAX} times: send the last job of each"
        raise InvalidRequest(Fault("jobs", message))


@operation
def repeated(db: Database, *, queue: str, new: NewJob) -> Submitted | None:
    """Return the job that holds the id of `new` if nothing is to be written; None: `submit` decides. One statement."""
    asked = new.deduplication
    if asked is None or new.custom_id is not None:
        return None
    with db.read_once() as conn:
        found = deduplications.find_job(conn, queue=queue, dedup_id=asked.id, max_bytes=SMALL)
    if found is None:
        return None
    holder, job = found
    told = fate(asked, holder)
    return Submitted(job, told.outcome) if told.is_idle else None


class _Array:
    """The jobs of one request, while they are added."""

    def __init__(self, conn: Connection, queue: str, new: Sequence[NewJob], held: Reservation) -> None:
        self._conn, self._queue, self._new, self._held = conn, queue, new, held
        self._submitted: dict[int, Submitted] = {}
        self._custom_ids: set[str] = set()  # that exist, or will once what is pending is inserted
        self._holders: dict[str, Holder] = {}
        self._pending: list[int] = []  # jobs to insert, by their positions
        self._pending_ids: set[str] = set()  # the custom ids of these
        self._next: dict[str, int] = {}  # those of them that will hold an id
        self._others: dict[int, tuple[InsertOutcome, Holder]] = {}  # jobs that are not added, and who holds their ids
        self._replaced: list[int] = []  # delayed jobs to remove, which are locked
        self._settled: dict[str, Settled] = {}

    def submit(self) -> list[Submitted]:
        """Decide on the jobs in their order, as each may hold an id that a later one has; then write all."""
        self._look_up()
        for nth, job in enumerate(self._new):
            give_way()
            if job.deduplication is None or job.custom_id in self._custom_ids:
                self._will_insert(nth)
            else:
                self._decide(nth, job.deduplication)
        self._insert()
        if self._settled:
            deduplications.settle(self._conn, queue=self._queue, settled=self._settled)
        self._find_others()
        return [self._submitted[nth] for nth in range(len(self._new))]

    def _look_up(self) -> None:
        """Find who holds the ids; lock the ids of which something may have to be written, and then their holders."""
        custom_ids = sorted({job.custom_id for job in self._new if job.custom_id is not None})
        if custom_ids:
            self._custom_ids = {*jobs.numbers(self._conn, queue=self._queue, job_ids=custom_ids)}
        may_free = any(job.deduplication.replaces for job in self._new if job.deduplication)  # an id that exists now
        taken = set() if may_free else self._custom_ids
        asked = [job.deduplication for job in self._new if job.deduplication and job.custom_id not in taken]
        found = deduplications.find(self._conn, queue=self._queue, dedup_ids=sorted({one.id for one in asked}))
        written = {one.id for part in in_pieces(asked) for one in part if not fate(one, found.get(one.id)).is_idle}
        if written:
            held = deduplications.hold(self._conn, queue=self._queue, dedup_ids=sorted(written))
            numbers = sorted(holder.number for holder in held.values())
            locked = jobs.lock(self._conn, queue=self._queue, numbers=numbers) if numbers else []
            living = {job.number: job.status for job in locked if job.status not in FINAL}
            found = {dedup_id: found[dedup_id] for dedup_id in found.keys() - written}
            for dedup_id, holder in held.items():
                give_way()
                found[dedup_id] = holder._replace(status=living.get(holder.number))
        self._holders = found

    def _will_insert(self, nth: int) -> None:
        self._pending.append(nth)
        if (custom_id := self._new[nth].custom_id) is not None:
            self._custom_ids.add(custom_id)
            self._pending_ids.add(custom_id)

    def _decide(self, nth: int, asked: Deduplication) -> None:
        if asked.id in self._next:
            self._insert()  # the earlier job holds the id from now on
        holder = self._holders.get(asked.id)
        outcome, moves_window = fate(asked, holder)
        if outcome in ADDED:
            if holder and outcome is InsertOutcome.REPLACED:
                if holder.job_id in self._pending_ids:
                    self._insert()  # they are duplicates of the job that goes now
                self._custom_ids.discard(holder.job_id)
                self._replaced.append(holder.number)
            self._will_insert(nth)
            self._next[asked.id] = nth
            return
        assert holder is not None, "somebody holds the id"
        self._others[nth] = outcome, holder
        settled = self._settled.get(asked.id) or Settled(holder.number, holder.job_id, holder.expires_at)
        if outcome is InsertOutcome.STORED:
            self._settled[asked.id] = settled._replace(stored=self._new[nth])
        elif moves_window:
            self._settled[asked.id] = settled._replace(ttl_ms=asked.window_ms)

    def _insert(self) -> None:
        pending, following, replaced = self._pending, self._next, self._replaced
        self._pending, self._pending_ids, self._next, self._replaced = [], set(), {}, []
        jobs.remove(self._conn, queue=self._queue, numbers=sorted(replaced), are_replaced=True)
        new = [self._new[nth] for nth in pending]
        added = adding.submit(self._conn, queue=self._queue, new=new, held=self._held) if new else []
        self._submitted |= dict(zip(pending, added, strict=True))
        for nth in {*pending} - {*following.values()}:
            if self._new[nth].deduplication and self._submitted[nth].outcome is not InsertOutcome.DUPLICATE:
                raise adding.removed()  # the job with its custom id, so that nobody decided on its id
        for dedup_id, nth in following.items():
            give_way()
            self._hold(dedup_id, nth)

    def _hold(self, dedup_id: str, nth: int) -> None:
        """Have an inserted job hold an id, for its window or that of the job that it took the place of."""
        job, outcome = self._submitted[nth]
        asked, holder = self._new[nth].deduplication, self._holders.get(dedup_id)
        if outcome is InsertOutcome.DUPLICATE or asked is None:  # another transaction has just added its custom id
            raise adding.removed()
        outcome, moves_window = fate(asked, holder)
        expires_at = holder.expires_at if holder and not moves_window else None
        if moves_window and asked.window_ms is not None:
            expires_at = job.added_at + timedelta(milliseconds=asked.window_ms)
        self._submitted[nth] = Submitted(job, outcome)
        self._holders[dedup_id] = Holder(job.number, job.id, job.status, expires_at, is_open=expires_at is not None)
        self._settled[dedup_id] = Settled(job.number, job.id, expires_at)

    def _find_others(self) -> None:
        """Find the jobs in the place of which others are not added."""
        found = self._find([holder.job_id for _, holder in self._others.values()])
        for nth, (outcome, holder) in self._others.items():
            give_way()
            job = found.get(holder.job_id)
            if job is None or job.number != holder.number:
                job = _gone(self._queue, self._new[nth], holder)
            self._submitted[nth] = Submitted(job, outcome)

    def _find(self, job_ids: Sequence[str]) -> dict[str, Job]:
        if len(job_ids) <= FEW:  # so few short ones need no reservation
            found = jobs.find(self._conn, queue=self._queue, job_ids=job_ids, max_bytes=SMALL) if job_ids else {}
            if len(found) == len({*job_ids}):
                return found
        sizes = jobs.sizes(self._conn, queue=self._queue, job_ids=sorted({*job_ids}))
        return adding.find(self._conn, queue=self._queue, job_ids=job_ids, sizes=sizes, new=self._new, held=self._held)


def _gone(queue: str, new: NewJob, holder: Holder) -> Job:
    """Return a job that held an id and was removed, in its window or just now: its id, and what was sent now."""
    at = holder.expires_at or EPOCH
    return Job(
        queue=queue,
        number=holder.number,
        custom_id=None if ids.is_digits(holder.job_id) else holder.job_id,
        name=new.name,
        data=new.data,
        opts=new.opts,
        status=Status.COMPLETED,
        priority=new.priority,
        lifo=new.lifo,
        delay_ms=new.delay_ms,
        run_at=at,
        timeout_ms=new.timeout_ms,
        attempts_made=0,
        attempts_started=0,
        stalled_count=0,
        progress=JsonText("0"),
        result=None,
        failed_reason=None,
        stacktrace=(),
        added_at=at,
        processed_at=None,
        finished_at=None,
        processed_by=None,
        tags=new.tags,
        failed_code=None,
        start_by=new.start_by,
        effective=None,
    )


@operation
def let_go(db: Database, *, actor: Actor, queue: str, dedup_id: str) -> Holder:
    """Let go of an id; return who held it. A job that is stored to follow its holder follows now. Raises NotHeld."""
    with db.begin() as conn:
        holder = deduplications.holder(conn, queue=queue, dedup_id=dedup_id)
        deduplications.let_go(conn, queue=queue, dedup_id=dedup_id, number=holder.number)
        before = {"jobId": holder.job_id}
        audit.note(conn, actor, Act(action="deduplication.let_go", queue=queue, target=dedup_id, before=before))
    return holder


@operation
def follow(db: Database) -> set[str]:
    """Add the jobs that are stored to follow others, where these have ended; notify and return their queues.

    A transaction for each. One whose custom id exists by then is dropped.
    """
    queues: set[str] = set()
    place, found = FIRST, AT_ONCE
    while found == AT_ONCE:
        with db.begin() as conn:
            places = deduplications.next_to_follow(conn, after=place, limit=AT_ONCE)
        found = len(places)
        for place in places:
            with db.begin() as conn:
                is_added = _follow(conn, place)
            db.notify(place.queue)  # it has a new job, or a claim may have skipped a holder that was locked here
            if is_added:
                queues.add(place.queue)
    return queues


def _follow(conn: Connection, place: Place) -> bool:
    """Add the job that is stored for an id, which it holds then; return whether it was added."""
    stored = deduplications.lock_stored(conn, place)
    if stored is None:
        return False
    numbers = [] if stored.holder is None else [stored.holder]
    if any(job.status not in FINAL for job in jobs.lock(conn, queue=place.queue, numbers=numbers)):
        return False  # it was retried meanwhile
    added = jobs.insert_columns(conn, queue=place.queue, columns=stored.columns)
    if added is None:
        dropped = {"queue": place.queue, "deduplication": place.dedup_id, "job": stored.columns.get("custom_id")}
        _log.warning("stored_job_dropped", extra=dropped)
        deduplications.take_stored(conn, place, number=None, job_id=None)
        return False
    job_id = str(stored.columns.get("custom_id") or added.number)
    deduplications.take_stored(conn, place, number=added.number, job_id=job_id)
    return True


@operation
def forget_idle(db: Database) -> None:
    """Forget ids whose window is over and whose job is gone, in steps, each a transaction."""
    place: Place | None = FIRST
    while place is not None:
        with db.begin() as conn:
            idle, place = deduplications.walk_idle(conn, after=place, limit=AT_ONCE)
        for queue, dedup_ids in idle.items():
            with db.begin() as conn:
                deduplications.forget_idle(conn, queue=queue, dedup_ids=dedup_ids)
