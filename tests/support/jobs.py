"""Jobs in the status that a test needs, brought there by the events that bring them there in life."""

from typing import Any

from app.domain.attempts import STALLED_REASON
from app.domain.endpoint import NewEndpoint
from app.domain.job import Completion, Failure, JsonText, Lease, LeaseKey, NewJob
from app.domain.scan import HEAD, Place
from app.domain.states import Status
from app.postgres import pool
from app.postgres.database import Connection
from app.store import endpoints, jobs, leases
from app.store.tables import jobs as table

QUEUE = "q"


def new(name: str = "n", **fields: Any) -> NewJob:
    return NewJob(**({"name": name, "data": JsonText("1")} | fields))


def insert(conn: Connection, *asked: NewJob, queue: str = QUEUE) -> list[int]:
    """Add jobs that do not exist; return their numbers."""
    return [job.number for job in jobs.insert(conn, queue=queue, new=asked or [new()]) if job]


def claim(conn: Connection, limit: int = 1, *, lease_ms: int = 60_000, queue: str = QUEUE) -> list[Lease]:
    return leases.claim(conn, queue=queue, limit=limit, lease_ms=lease_ms, worker="w")[0]


def claim_next(conn: Connection, limit: int = 1, *, start: Place = HEAD) -> leases.HandlerClaim:
    """Claim as Python workers do, in the transaction that is open."""
    found = leases.send_claim(conn, queue=QUEUE, limit=limit, lease_ms=60_000, worker="w", start=start)
    pool.driver_of(conn).run_queued()
    return found()


def claim_by(conn: Connection, way: str, *, limit: int, lease_ms: int) -> None:
    """Claim by the statement of this name, in the transaction that is open."""
    asked: dict[str, Any] = {"queue": QUEUE, "limit": limit, "lease_ms": lease_ms, "worker": "push:w"}
    if way in {"claim", "claim_large"}:
        leases.claim(conn, **asked, are_large=way == "claim_large")
        return
    if way == "claim_next":
        leases.send_claim(conn, **asked)
    if way == "claim_calls":
        endpoints.send_claim(conn, **asked, revision=endpoint(conn, concurrency=8), start=HEAD, ignore_due=False)
    pool.driver_of(conn).run_queued()


def endpoint(conn: Connection, *, concurrency: int) -> str:
    """Register the endpoint of the queue; return its revision."""
    where: dict[str, Any] = {"queue": QUEUE, "url": "http://a.example/", "method": "POST", "headers": {}, "secrets": []}
    sealed = endpoints.Sealed(headers=b"", secrets=b"")
    endpoints.register(conn, new=NewEndpoint(**where, concurrency=concurrency), sealed=sealed)
    found = conn.exec_driver_sql("select revision::text from rowline.endpoints where queue = %(q)s", {"q": QUEUE})
    return str(found.scalar_one())


def row(conn: Connection, number: int) -> Any:
    """Read the row as it is stored."""
    return conn.execute(table.select().where(table.c.queue == QUEUE, table.c.number == number)).one()


def rows(conn: Connection) -> list[Any]:
    return list(conn.execute(table.select().order_by(table.c.number)))


def in_status(conn: Connection, status: Status) -> LeaseKey:
    """Add one job and bring it to `status`; return its number and the token of its claim, made up if it has none."""
    number = insert(conn, new(priority=1 if status is Status.PRIORITIZED else 0, attempts=2, delay_ms=_delay(status)))[
        0
    ]
    key = LeaseKey(number=number, token="00000000-0000-4000-8000-000000000000")
    if status in {Status.ACTIVE, Status.COMPLETED, Status.FAILED}:
        key = claim(conn)[0].key
    if status is Status.COMPLETED:
        leases.complete(conn, queue=QUEUE, completions=[Completion(lease=key, result=JsonText("1"))])
    if status is Status.FAILED:
        leases.fail(conn, queue=QUEUE, failures=[Failure(lease=key, reason=STALLED_REASON)])
    if status is Status.WAITING_CHILDREN:  # no event enters it yet
        conn.execute(table.update().where(table.c.number == number).values(status=status))
    assert row(conn, number).status == status
    return key


def _delay(status: Status) -> int:
    return 3_600_000 if status is Status.DELAYED else 0


def make_due(conn: Connection, number: int) -> None:
    """Have a delayed job fall due, and a lease run out, without waiting for it."""
    moment = table.c.added_at
    conn.execute(table.update().where(table.c.number == number, table.c.status == Status.DELAYED).values(run_at=moment))
    conn.execute(
        table.update().where(table.c.number == number, table.c.status == Status.ACTIVE).values(leased_until=moment)
    )


def counted(conn: Connection, queue: str) -> dict[Status, int]:
    """Count the rows of a queue, by status."""
    found = conn.exec_driver_sql(
        "select status, count(*) from rowline.jobs where queue = %(queue)s group by status", {"queue": queue}
    )
    return dict.fromkeys(Status, 0) | {Status(row[0]): row[1] for row in found}
