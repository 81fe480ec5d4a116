"""Adding jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from app.domain.deduplication import ADDED, InsertOutcome
from app.domain.errors import Fault, KeyInUse, KeyReused, NoRoom
from app.domain.job import NewJob
from app.domain.keys import IdempotencyKey
from app.infra import room
from app.infra.cooperation import in_pieces
from app.infra.room import COPIES, SMALL, Reservation
from app.operations import adding, deduplication, operation
from app.operations.adding import Lately, Submitted
from app.postgres.coalescer import RequestCoalescer
from app.postgres.database import Connection, Database
from app.store import jobs, keys

_custom_id, _deduplication = attrgetter("custom_id"), attrgetter("deduplication")
TOGETHER_MAX = 100
"""The maximum of jobs of different requests that one statement inserts."""
TOGETHER_MAX_BYTES = 16 * 2**10
"""The maximum of such a job, in characters: a longer one would delay the others, and gain less."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a request with an idempotency key, and whether it is repeated from an earlier one."""

    text: str
    is_replay: bool


@operation
def submit_many(db: Database, *, queue: str, new: Sequence[NewJob], held: Reservation | None = None) -> list[Submitted]:
    """Add all of `new` or none; return the stored jobs, in the same order.

    One transaction; without custom ids one statement. Waits, up to lock_timeout, for a transaction that adds the same
    custom id. `held` reserves memory for the existing jobs that are returned. Raises NoRoom, and TooLarge if these are
    longer together than `new` by more than the limit of a response; nothing is added then.
    """
    if not new:
        return []
    had = adding.lately(queue)
    if not (any(map(_custom_id, new)) or any(map(_deduplication, new)) or had is Lately.SETTINGS):
        with db.write_once(notify=queue) as conn:
            created = jobs.insert(conn, queue=queue, new=new, has_keys=had is not None)
        if created[0]:
            return [Submitted(job, InsertOutcome.CREATED) for part in in_pieces(created) for job in part if job]
        adding.keep_in_mind(queue, Lately.SETTINGS)
    if len(new) == 1 and new[0].deduplication and (repeated := deduplication.repeated(db, queue=queue, new=new[0])):
        return [repeated]
    with db.begin() as conn:
        submitted = deduplication.submit(conn, queue=queue, new=new, held=held or room.alone())
    if any(one.outcome in ADDED for one in submitted) or any(map(_deduplication, new)):
        db.notify(queue)  # a claim may have skipped a holder that was locked here
    return submitted


class Submissions:
    """Combines simultaneous requests of one process, each with one job for the same queue, into one statement."""

    def __init__(self, db: Database) -> None:
        """Start without pending requests."""
        self._db = db
        self._singles: RequestCoalescer[NewJob, Submitted] = RequestCoalescer(self._together, max_batch=TOGETHER_MAX)

    def submit_many(self, *, queue: str, new: Sequence[NewJob], held: Reservation | None = None) -> list[Submitted]:
        """Do what `submit_many` does. Combined requests share the commit and errors of the database, nothing else.

        Jobs with ids of either kind, which may wait for another transaction, are not combined.
        """
        job = new[0] if len(new) == 1 else None
        if job is None or job.custom_id is not None or job.deduplication is not None:
            return submit_many(self._db, queue=queue, new=new, held=held)
        if len(job.data) + len(job.opts) <= TOGETHER_MAX_BYTES:
            return [self._singles.submit(queue, job)]
        return submit_many(self._db, queue=queue, new=new, held=held)

    def _together(self, queue: str, new: Sequence[NewJob]) -> list[Submitted]:
        return submit_many(self._db, queue=queue, new=new)


@operation
def submit_once(
    db: Database,
    *,
    queue: str,
    new: Sequence[NewJob],
    key: IdempotencyKey,
    keep_ms: int,
    answer: Callable[[Sequence[Submitted]], str],
    held: Reservation | None = None,
    admit: Callable[[Connection], None] = lambda _conn: None,
) -> Reply:
    """Add `new` as `submit_many` does; if `key` has a response not older than `keep_ms`, return that instead.

    One transaction stores the jobs, the key and the response that `answer` returns. Raises KeyInUse while another
    transaction uses the key, KeyReused if the key was used with another body, what `admit` raises, which is called
    before jobs are added, again if the transaction is tried again, and what `submit_many` raises.
    """
    with db.begin() as conn:
        if not keys.try_lock(conn, queue=queue, key=key):
            raise KeyInUse("the first request with this Idempotency-Key is still running: wait, then repeat it")
        answered = keys.find(conn, queue=queue, key=key, keep_ms=keep_ms, max_bytes=SMALL)
        if answered and answered.body_digest != key.body_digest:
            raise KeyReused(Fault("Idempotency-Key", "was used for a request with another body"))
        if answered and answered.answer is None:
            if not (held or room.alone()).take_long(answered.size * COPIES, is_patient=False):  # the key is locked
                raise NoRoom
            answered = keys.find(conn, queue=queue, key=key, keep_ms=keep_ms, max_bytes=answered.size)
        if answered and answered.answer is not None:
            return Reply(answered.answer, is_replay=True)
        admit(conn)
        text = answer(deduplication.submit(conn, queue=queue, new=new, held=held or room.alone()) if new else [])
        keys.keep(conn, queue=queue, key=key, answer=text)
    db.notify(queue)
    return Reply(text, is_replay=False)
