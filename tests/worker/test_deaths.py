"""What it costs when something dies, hangs or is told to stop: never a job, and only the leases that it held."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.attempts import CANCELLED_REASON, STALLED_REASON
from app.domain.job import JsonText
from app.domain.states import Status
from app.operations import manage
from app.postgres.database import Database
from tests.support import databases, raw
from tests.support.acting import ACTOR
from tests.support.clusters import is_alive, until
from tests.support.jobs import QUEUE, make_due, new
from tests.support.workers import WorkerProgram, add, find, in_status, written

QUICK = {"lease_ms": 1_000, "recover_ms": 100, "poll_ms": 50}


HANDLERS = """
    import ctypes

    HERE = os.path.dirname(__file__)

    def mark(job):
        with open(f"{HERE}/marks", "a") as marks:
            marks.write(f"{job.id} {job.attempt} {os.getpid()}\\n")

    @rowline.handler("quick")
    def quick(job):
        mark(job)
        return "done"

    @rowline.handler("slow")
    def slow(job):
        mark(job)
        time.sleep(job.data)
        return "slept"

    @rowline.handler("gated")
    def gated(job):
        mark(job)
        while not os.path.exists(f"{HERE}/gate"):
            time.sleep(0.01)
        return "through"

    @rowline.handler("once more")
    def once_more(job):
        mark(job)
        while sum(line.split()[0] == job.id for line in open(f"{HERE}/marks")) < 2:
            time.sleep(0.1)
        return "again"

    @rowline.handler("stops its worker")
    def stops_its_worker(job):
        mark(job)
        os.kill(os.getppid(), signal.SIGSTOP)
        return "stopped"

    @rowline.handler("deadly")
    def deadly(job):
        mark(job)
        os.kill(os.getpid(), signal.SIGKILL)

    @rowline.handler("deadly in company")
    def deadly_in_company(job):
        mark(job)
        while sum(1 for _ in open(f"{HERE}/marks")) < job.data:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)

    @rowline.handler("hog")
    def hog(job):
        mark(job)
        ctypes.PyDLL(None).usleep(int(job.data * 1_000_000))  # holds the GIL all the while
        return "hogged"
"""


@pytest.fixture
def handlers(tmp_path: Path) -> Path:
    """Handlers that leave a mark in a file when they begin, so that a test can wait for that."""
    return written(tmp_path, HANDLERS)


def marks(handlers: Path) -> list[list[str]]:
    """What has begun: id, attempt, pid of the process."""
    file = handlers.parent / "marks"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def begun(handlers: Path, job_id: str, times: int = 1) -> list[str]:
    """Wait until a job has begun so often; return its last mark."""
    until(lambda: sum(mark[0] == job_id for mark in marks(handlers)) >= times)
    return [mark for mark in marks(handlers) if mark[0] == job_id][-1]


def open_gate(handlers: Path) -> None:
    """Let the jobs called `gated` end."""
    (handlers.parent / "gate").touch()


def slow(seconds: float) -> JsonText:
    return JsonText(str(seconds))


def test_a_job_that_kills_its_process_costs_only_its_own_lease(db: Database, shared_url: str, handlers: Path) -> None:
    warm = add(db, *(new("quick") for _ in range(20)))  # widens the window, so that jobs share a batch
    with WorkerProgram(shared_url, handlers):
        in_status(db, warm[-1])
        ids = add(db, *(new("deadly" if nth == 5 else "quick") for nth in range(12)))
        done = [in_status(db, job_id) for job_id in ids]

    assert [job.status for job in done].count(Status.COMPLETED) == 11
    assert [job.stalled_count for job in done] == [2 if nth == 5 else 0 for nth in range(12)]
    assert [job.attempts_made for job in done] == [0 if nth == 5 else 1 for nth in range(12)]
    assert sorted(mark[0] for mark in marks(handlers) if mark[0] in ids) == sorted([*ids, ids[5]])


@pytest.mark.parametrize("place", ["database", "service"], indirect=True)
def test_those_that_run_beside_a_deadly_job_are_not_failed_for_it(db: Database, place: str, handlers: Path) -> None:
    """Two of them, so that the others lose their leases twice wherever all run in one process again."""
    with WorkerProgram(place, handlers, worker_threads=6):
        asked = [new("once more") for _ in range(4)] + [new("deadly in company", data=JsonText("6")) for _ in range(2)]
        done = [in_status(db, job_id) for job_id in add(db, *asked)]

    assert [job.status for job in done] == [Status.COMPLETED] * 4 + [Status.FAILED] * 2
    assert [job.failed_reason for job in done[4:]] == [STALLED_REASON] * 2
    assert [job.stalled_count for job in done] == [1] * 4 + [2] * 2


def test_a_job_that_waits_to_run_alone_can_be_cancelled_and_is_handed_back_at_a_stop(
    db: Database, shared_url: str, handlers: Path
) -> None:
    """Four processes die under two jobs each; then there are two at a time that run one job each."""
    pair = [new("deadly in company", data=JsonText("8")), new("slow", data=slow(60))]
    four = QUICK | {"lease_ms": 6_000, "worker_processes": 4, "worker_threads": 2}
    with WorkerProgram(shared_url, handlers, **four) as worker:
        slows = add(db, *pair * 4)[1::2]

        def again() -> set[str]:
            ran = [mark[0] for mark in marks(handlers)]
            return {job_id for job_id in slows if ran.count(job_id) > 1}

        until(lambda: len(again()) == 2)
        cancelled, waiting = (job_id for job_id in slows if job_id not in again())
        until(lambda: find(db, waiting).status is Status.ACTIVE)
        manage.cancel(db, actor=ACTOR, queue=QUEUE, job_id=cancelled)
        assert in_status(db, cancelled).failed_reason == CANCELLED_REASON
        worker.process.send_signal(signal.SIGTERM)
        assert worker.end(signal.SIGINT) == 0

    assert [mark[0] for mark in marks(handlers)].count(waiting) == 1
    back = [find(db, job_id) for job_id in slows if job_id != cancelled]
    assert {(job.status, job.stalled_count, job.attempts_made) for job in back} == {(Status.WAITING, 1, 0)}


def test_a_job_that_kills_every_process_fails_as_stalled(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers, max_stalled_count=2):
        job = in_status(db, add(db, new("deadly", attempts=10))[0])

    assert (job.status, job.failed_reason) == (Status.FAILED, STALLED_REASON)
    assert (job.stalled_count, job.attempts_started, job.attempts_made) == (3, 3, 0)


def test_a_handler_that_holds_its_interpreter_keeps_its_lease(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers, **(QUICK | {"lease_ms": 6_000})):  # outlives a busy machine's pauses
        job = in_status(db, add(db, new("hog", data=slow(8)))[0])

    assert (job.status, job.result) == (Status.COMPLETED, '"hogged"')
    assert (job.attempts_started, job.stalled_count) == (1, 0)


def test_the_jobs_of_a_killed_worker_are_worked_by_another(db: Database, shared_url: str, handlers: Path) -> None:
    job_id = add(db, new("once more"))[0]
    with WorkerProgram(shared_url, handlers) as first:
        child = int(begun(handlers, job_id)[2])
        first.process.kill()
        with db.begin() as conn:
            make_due(conn, int(job_id))
        with WorkerProgram(shared_url, handlers, recover_ms=100):
            until(lambda: not is_alive(child))
            job = in_status(db, job_id)

    assert job.status is Status.COMPLETED
    assert (job.attempts_started, job.stalled_count, job.attempts_made) == (2, 1, 1)


def test_a_paused_worker_cannot_overwrite_what_another_did(db: Database, shared_url: str, handlers: Path) -> None:
    """A hundred times: as many jobs run when it is paused, and their handlers go on."""
    many = {"worker_threads": 100, "max_batch": 100, "max_stalled_count": 9}
    ids = add(db, *(new("once more") for _ in range(100)))
    with WorkerProgram(shared_url, handlers, **many) as paused:
        until(lambda: len(marks(handlers)) >= 100)
        paused.process.send_signal(signal.SIGSTOP)
        databases.run(shared_url, "update rowline.jobs set leased_until = added_at where status = 'active'")
        with WorkerProgram(shared_url, handlers, recover_ms=100, **many):
            winners = [in_status(db, job_id) for job_id in ids]
        paused.process.send_signal(signal.SIGCONT)
        for _ in ids:
            paused.expect("lease_lost")

    assert [find(db, job_id) for job_id in ids] == winners
    assert {job.status for job in winners} == {Status.COMPLETED}
    assert {job.attempts_made for job in winners} == {1}
    assert min(job.attempts_started for job in winners) == 2


def test_sigterm_lets_the_running_job_end_and_hands_back_the_others(
    db: Database, shared_url: str, handlers: Path
) -> None:
    with WorkerProgram(shared_url, handlers) as worker:
        ids = add(db, new("gated"), new("quick"), new("quick"))
        begun(handlers, ids[0])
        worker.process.send_signal(signal.SIGTERM)
        open_gate(handlers)
        assert worker.end() == 0

    assert find(db, ids[0]).status is Status.COMPLETED
    rest = [find(db, job_id) for job_id in ids[1:]]
    assert {(job.status, job.stalled_count, job.attempts_made) for job in rest} == {(Status.WAITING, 0, 0)}


@pytest.mark.parametrize("twice", [False, True])
def test_a_job_longer_than_the_drain_is_handed_back_unharmed(
    db: Database, shared_url: str, handlers: Path, *, twice: bool
) -> None:
    with WorkerProgram(shared_url, handlers, drain_ms=60_000 if twice else 300) as worker:
        job_id = add(db, new("slow", data=slow(60)))[0]
        child = int(begun(handlers, job_id)[2])
        worker.process.send_signal(signal.SIGTERM)
        if twice:
            worker.process.send_signal(signal.SIGINT)
        assert worker.end() == 0

    job = find(db, job_id)
    assert (job.status, job.stalled_count, job.attempts_made, job.attempts_started) == (Status.WAITING, 0, 0, 1)
    assert not is_alive(child)


def test_handlers_that_break_under_a_running_worker_lose_no_job(db: Database, shared_url: str, handlers: Path) -> None:
    good = handlers.read_text()
    with WorkerProgram(shared_url, handlers, max_stalled_count=0) as worker:
        in_status(db, add(db, new("quick"))[0])
        handlers.write_text("import nothing_of_that_name")
        in_status(db, add(db, new("deadly"))[0])
        job_id = add(db, new("quick"))[0]
        worker.expect("handlers_broken")
        worker.expect("handlers_broken")
        handlers.write_text(good)
        assert in_status(db, job_id).status is Status.COMPLETED


@pytest.fixture
def place(request: pytest.FixtureRequest, shared_url: str) -> Iterator[str]:
    """Where a worker gets its jobs: from the database, or from the service."""
    if request.param == "database":
        yield shared_url
        return
    with raw.server(shared_url) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize("place", ["database", "service"], indirect=True)
@pytest.mark.parametrize("data", ["9" * 5_000, "[" * 2_000 + "]" * 2_000], ids=["too many digits", "too deep"])
def test_a_job_that_python_cannot_read_fails_alone_and_says_why(
    db: Database, place: str, handlers: Path, data: str
) -> None:
    """No API lets one in; another version of it might."""
    warm = add(db, *(new("quick") for _ in range(20)))
    with WorkerProgram(place, handlers) as worker:
        in_status(db, warm[-1])
        ids = add(db, *(new("quick", data=JsonText(data if nth == 5 else "1"), attempts=9) for nth in range(12)))
        done = [in_status(db, job_id) for job_id in ids]
        assert worker.process.poll() is None

    unread = done.pop(5)
    assert (unread.status, unread.attempts_made, unread.stalled_count) == (Status.FAILED, 1, 0)
    assert (unread.failed_reason or "").startswith("the job's data cannot be read: ")
    assert {(job.status, job.stalled_count, job.attempts_made) for job in done} == {(Status.COMPLETED, 0, 1)}
