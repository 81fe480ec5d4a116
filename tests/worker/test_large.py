"""What handlers say can be as large as they like: what will not be kept stays in their process."""

import base64
import contextlib
import random
import select
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rowline import child
from rowline import job as told

from app.domain import attempts
from app.domain.job import ClaimedJob, JsonText, LeaseKey
from app.domain.states import Status
from app.infra.settings import Settings
from app.operations.exchange import CLAIM_BYTES
from app.operations.progress import ProgressUpdate
from app.postgres.database import Database
from app.queries import history
from app.worker.completer import OUTCOMES_BYTES, Completer
from app.worker.handlers import WINDOW_BYTES, HandlerProcess
from app.worker.heartbeats import HeldLeases
from app.worker.sources import DatabaseSource, SourceUnavailable
from tests.support import databases, work
from tests.support.clusters import until
from tests.support.jobs import QUEUE, new
from tests.support.workers import WorkerProgram, add, find, in_status, written

LARGE = """
    class Long(Exception):
        pass

    @rowline.handler("result")
    def result(job):
        return "x" * job.data

    @rowline.handler("failure")
    def failure(job):
        raise Long("x" * job.data)

    @rowline.handler("line")
    def line(job):
        job.log("x" * job.data)

    @rowline.handler("progress")
    def progress(job):
        job.progress({"x": "x" * job.data})
"""
MANY = 80_000_000


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("name", ["result", "failure", "line", "progress"])
def test_what_will_not_be_kept_never_reaches_the_worker(
    db: Database, shared_url: str, tmp_path: Path, name: str
) -> None:
    with WorkerProgram(shared_url, written(tmp_path, LARGE)) as worker:
        in_status(db, add(db, new("result", data=JsonText("1")))[0], within_s=60)
        before = peak_bytes(worker.pid)
        job = in_status(db, add(db, new(name, data=JsonText(str(MANY))))[0], within_s=120)
        assert peak_bytes(worker.pid) - before < MANY / 4
        if name == "progress":
            assert "progress must be at most 1048576 bytes, not 80000009" in worker.expect("report_refused")

    assert job.status is (Status.COMPLETED if name in {"line", "progress"} else Status.FAILED)
    if name == "result":
        assert job.failed_reason == "the handler's result must be at most 1048576 bytes, not 80000002"
    if name == "failure":
        assert job.failed_reason == ("handlers.Long: " + "x" * MANY)[: attempts.REASON_MAX]
        assert [len(stack) for stack in job.stacktrace] == [attempts.STACK_MAX]
    if name == "line":
        lines = history.logs(db, queue=QUEUE, job_id=job.id, start=0, length=9).entries
        assert lines == ["x" * attempts.LOG_LINE_MAX]


def test_a_handler_process_cuts_where_the_service_does() -> None:
    assert child.REASON_MAX == attempts.REASON_MAX
    assert child.STACK_MAX == attempts.STACK_MAX
    assert told.LINE_MAX == attempts.LOG_LINE_MAX


def test_reading_a_long_result_takes_not_much_longer_than_joining_it(tmp_path: Path) -> None:
    process = HandlerProcess(written(tmp_path, LARGE), queue=QUEUE, max_batch=1, threads=1, max_bytes=2**28)
    size = 64 * 2**20
    try:
        _read(process)
        process.give([_claimed("result", str(size))])
        begun = time.process_time()
        [(_, result)] = _read(process)
        took = time.process_time() - begun
    finally:
        _end(process)
    begun = time.process_time()
    joined = b"".join(bytes(2**18) for _ in range(size // 2**18)).split(b"\n")
    assert len(result) == len(joined[0]) + 2
    assert took < 20 * (time.process_time() - begun), "80 times if it was joined at each piece"


def _end(process: HandlerProcess) -> None:
    process.kill()
    until(lambda: process.ended() is not None)
    process.close()


def _claimed(name: str, data: str) -> ClaimedJob:
    return ClaimedJob(LeaseKey(1, "t"), "1", name, JsonText(data), JsonText("{}"), 0, 1, 0, None, 0)


def _read(process: HandlerProcess) -> list[Any]:
    """Wait until a process says something whole."""
    while not (said := process.receive()):
        select.select([process], [], [])
    return said


def _settle(endings: Completer, *, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(SourceUnavailable):
            endings.settle()


def _lines(db: Database, job_id: str) -> list[str]:
    return list(history.logs(db, queue=QUEUE, job_id=job_id, start=0, length=9).entries)


class Interrupted(DatabaseSource):
    """A source that hears of more while it sends, and cannot send at first."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    failures = 0

    def send_progress(self, updates: Sequence[ProgressUpdate]) -> None:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        if self.failures:
            self.failures -= 1
            raise SourceUnavailable("away")
        super().send_progress(updates)


def test_progress_that_is_replaced_while_a_batch_is_sent_does_not_keep_outcomes_waiting(db: Database) -> None:
    """The database is away for three tries. During the first one, and the one that succeeds, more is reported."""
    add(db, new(), new())
    source = Interrupted(Settings(), db, queue=QUEUE, worker="w")
    endings = Completer(Settings(), source, HeldLeases(source, queue=QUEUE))
    first, second = (lease.taken for lease in work.take(db, limit=2))

    def report(value: int) -> None:
        for taken in (first, second):
            endings.add_progress(taken, {"progress": str(value)})

    report(1)
    source.failures, source.meanwhile = 3, lambda: report(2)
    _settle(endings, times=3)

    def end() -> None:
        report(3)
        for taken in (first, second):
            endings.complete(taken, "1")

    source.meanwhile = end
    _settle(endings, times=2)

    assert [(find(db, taken.id).status, find(db, taken.id).progress) for taken in (first, second)] == [
        (Status.COMPLETED, "3")
    ] * 2
    assert len(endings) == 0


def test_progress_that_could_not_be_sent_gives_way_to_newer_progress(db: Database) -> None:
    add(db, new())
    source = Interrupted(Settings(), db, queue=QUEUE, worker="w")
    endings = Completer(Settings(), source, HeldLeases(source, queue=QUEUE))
    [taken] = (lease.taken for lease in work.take(db))
    for nth in range(20):
        endings.add_progress(taken, {"progress": str(nth)})
        source.failures = 1
        source.meanwhile = lambda nth=nth: endings.add_progress(taken, {"progress": str(nth + 100)})  # type: ignore[misc]
        _settle(endings, times=1)
    assert len(endings) == 1

    _settle(endings, times=1)
    assert find(db, taken.id).progress == "119"


def test_one_locked_job_does_not_keep_for_ever_what_others_report(db: Database, shared_url: str) -> None:
    add(db, new(), new())
    hasty = Database(Settings(lock_ms=10), url=shared_url, size=1, name="test")
    source = DatabaseSource(Settings(), hasty, queue=QUEUE, worker="w")
    endings = Completer(Settings(), source, HeldLeases(source, queue=QUEUE))
    first, second = (lease.taken for lease in work.take(db, limit=2))
    for nth in range(3):
        endings.add_progress(first, {"progress": str(nth)})
        endings.add_progress(first, {"log": f"first {nth}"})
        endings.add_progress(second, {"log": f"second {nth}"})
    with db.begin() as conn:
        conn.exec_driver_sql(f"select from rowline.jobs where number = {first.id} for update")
        _settle(endings, times=8)
        assert _lines(db, second.id) == ["second 0", "second 1", "second 2"]
    _settle(endings, times=2)
    assert _lines(db, first.id) == ["first 0", "first 1", "first 2"]
    assert (find(db, first.id).progress, len(endings)) == ("2", 0)
    hasty.close()


@contextlib.contextmanager
def slow_ends(url: str) -> Iterator[None]:
    """Have the database take its time for each completed job."""
    databases.run(
        url,
        """
        create function public.linger() returns trigger language plpgsql
        as 'begin perform pg_sleep(0.01); return new; end';
        create trigger linger before update on rowline.jobs for each row when (new.status = 'completed')
        execute function public.linger()
        """,
    )
    try:
        yield
    finally:
        databases.run(url, "drop function public.linger cascade")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_worker_whose_handlers_are_quicker_than_its_database_does_not_grow(
    db: Database, shared_url: str, tmp_path: Path
) -> None:
    with slow_ends(shared_url), WorkerProgram(shared_url, written(tmp_path, LARGE)) as worker:
        in_status(db, add(db, new("result", data=JsonText("1")))[0], within_s=60)
        before = peak_bytes(worker.pid)
        add(db, *(new("result", data=JsonText("900000")) for _ in range(400)))
        completed = "select count(*) from rowline.jobs where status = 'completed'"
        until(lambda: databases.ask(shared_url, completed) == [(401,)], within_s=180)
        grown = peak_bytes(worker.pid) - before

    assert grown < 2 * OUTCOMES_BYTES, f"{400 * 900_000} if it held them all"


def _noise(length: int) -> JsonText:
    """JSON that PostgreSQL cannot compress."""
    return JsonText(f'"{base64.b64encode(random.Random(1).randbytes(length * 3 // 4)).decode()}"')


def test_no_claim_of_a_worker_brings_more_data_than_its_limit(db: Database) -> None:
    long = {"short": JsonText('"' + "x" * 900_000 + '"'), "long": _noise(900_000)}  # as they are stored
    kinds = ["tiny"] * 5 + ["short"] * 20 + ["long"] * 20 + ["tiny"] * 5
    ids = add(db, *(new(data=long.get(kind, JsonText("1"))) for kind in kinds))
    source = DatabaseSource(Settings(poll_ms=3_600_000), db, queue=QUEUE, worker="w")
    claims = list[list[ClaimedJob]]()
    while sum(len(claim) for claim in claims) < len(ids):
        claimed = source.exchange((), limit=100).claimed
        assert claimed
        claims.append(claimed.taken)
        assert claimed.pause_s < 1 or claimed.taken[-1].id == ids[-1], "otherwise the rest would wait"

    assert [job.id for claim in claims for job in claim] == ids
    assert max(sum(len(job.data) for job in claim) for claim in claims) <= CLAIM_BYTES
    assert len(claims) == 3


def test_a_job_longer_than_the_limit_of_a_claim_is_claimed_alone(db: Database) -> None:
    ids = add(db, new(), new(data=JsonText('"' + "x" * CLAIM_BYTES + '"')), new())
    source = DatabaseSource(Settings(), db, queue=QUEUE, worker="w")
    claims = [source.exchange((), limit=100).claimed for _ in ids]

    assert [[job.id for job in claimed.taken] for claimed in claims if claimed] == [[job_id] for job_id in ids]


BLOCKED = """
    @rowline.handler("quick")
    def quick(job):
        return None

    @rowline.handler("long")
    def long(job):
        time.sleep(600)
"""


def test_a_worker_that_ran_short_jobs_takes_no_more_long_ones_than_it_may_hold(
    db: Database, shared_url: str, tmp_path: Path
) -> None:
    long = JsonText('"' + "x" * 900_000 + '"')
    add(db, *(new("quick") for _ in range(2_000)), *(new("long", data=long) for _ in range(120)))
    begun = "select count(*) from rowline.jobs where name = 'long' and attempts_started > 0"
    returned = f"{begun} and status = 'waiting'"
    with WorkerProgram(shared_url, written(tmp_path, BLOCKED), drain_ms=0):
        until(lambda: databases.ask(shared_url, returned) != [(0,)])
        [(count,)] = databases.ask(shared_url, begun)

    assert count <= 3 * CLAIM_BYTES // len(long), "one claim is on its way while another one fills the window"


def test_a_handler_process_that_holds_much_data_is_given_no_more(tmp_path: Path) -> None:
    process = HandlerProcess(written(tmp_path, BLOCKED), queue=QUEUE, max_batch=100, threads=1, max_bytes=9)
    process.ready, process.window = True, 100
    try:
        process.give([_claimed("long", f'"{"x" * WINDOW_BYTES}"')])
        assert process.free_slots == 0
        process.pop_outstanding(0)
        assert process.free_slots == 100
    finally:
        _end(process)


def test_permits_for_which_the_pipe_has_no_room_are_kept_until_it_has(tmp_path: Path) -> None:
    count = 10_000  # with ROWLINE_MAX_BATCH=5000; a pipe takes 8,192
    process = HandlerProcess(written(tmp_path, BLOCKED), queue=QUEUE, max_batch=count, threads=1, max_bytes=9)
    try:
        process.give([_claimed("quick", "1")] * count)
        while process.outstanding:
            select.select([process], [process] if process.wants_to_send else [], [], 60)
            for said in process.receive():
                if isinstance(said, tuple):
                    process.pop_outstanding(said[0])
            process.flush()
    finally:
        _end(process)


def test_permits_for_which_the_pipe_has_no_room_are_taken_back_too(tmp_path: Path) -> None:
    process = HandlerProcess(written(tmp_path, BLOCKED), queue=QUEUE, max_batch=10_000, threads=1, max_bytes=9)
    try:
        process.give([_claimed("long", "1")] * 10_000)
        assert len(process.take_back()) + len(process.outstanding) == 10_000
        assert len(process.outstanding) <= 1, "the one that has begun"
    finally:
        _end(process)
