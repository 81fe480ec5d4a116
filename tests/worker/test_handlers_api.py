"""What a handler can do with its job besides returning: report, look whether to stop, ask for more time."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import rowline

from app.domain.job import JsonText
from app.domain.states import Status
from app.operations import manage
from app.postgres.database import Database
from app.queries import history
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.clusters import until
from tests.support.jobs import QUEUE, new
from tests.support.raw import KEY
from tests.support.workers import WorkerProgram, add, find, in_status, written

SEES = """
    @rowline.handler("sees")
    def sees(job):
        kinds = []
        for number in map(int, os.listdir("/proc/self/fd")):
            if number > 2 and _is_open(number):
                kinds.append(os.readlink(f"/proc/self/fd/{number}").partition(":")[0])
        return [dict(os.environ), open("/proc/self/cmdline").read().replace("\\0", " "), kinds]

    def _is_open(number):
        try:
            return bool(os.fstat(number))
        except OSError:
            return False
"""
QUICK = {"lease_ms": 6_000, "recover_ms": 100, "poll_ms": 50}
HANDLERS = """
    @rowline.handler("reports")
    def reports(job):
        for nth in range(20):
            job.log(f"line {nth}")
            job.progress({"done": nth, "of": 20})
        job.log("a\\x00b\\ud800" + "x" * 100_000)
        return "reported"

    @rowline.handler("floods")
    def floods(job):
        for nth in range(20_000):
            job.log(str(nth))

    @rowline.handler("misreports")
    def misreports(job):
        job.progress("half")

    @rowline.handler("unstorable")
    def unstorable(job):
        job.progress({"a": "\\x00"})
        return 1

    @rowline.handler("looks")
    def looks(job):
        job.log("began")
        while not job.cancelled:
            time.sleep(0.02)
        raise RuntimeError("stopped")

    @rowline.handler("steps")
    def steps(job):
        path = job.data
        with open(path, "a") as file:
            file.write("step ")
        if os.path.getsize(path) < 15:
            raise rowline.Release(delay_ms=50)
        return open(path).read()

    @rowline.handler("sleeps")
    def sleeps(job):
        time.sleep(job.data)
        return "slept"

    @rowline.handler("spins")
    def spins(job):
        while True:
            pass

    @rowline.handler("meets")
    def meets(job):
        open(f"{job.data}/{job.id}", "w").close()
        ends_at = time.monotonic() + 60
        while len(os.listdir(job.data)) < 4:
            if time.monotonic() > ends_at:
                raise RuntimeError("alone")
            time.sleep(0.01)
        return os.getpid()

    @rowline.handler("dies")
    def dies(job):
        os._exit(3)
"""


@pytest.fixture
def handlers(tmp_path: Path) -> Path:
    return written(tmp_path, HANDLERS)


def outcomes(db: Database, job_id: str) -> list[str]:
    return [one.outcome for one in history.attempts(db, queue=QUEUE, job_id=job_id, start=0, length=100).entries]


def test_progress_and_lines_are_kept_in_their_order(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers):
        job = in_status(db, add(db, new("reports"))[0])

    assert (job.result, job.progress) == ('"reported"', '{"done": 19, "of": 20}')
    lines = history.logs(db, queue=QUEUE, job_id=job.id, start=0, length=100).entries
    assert lines[:20] == [f"line {nth}" for nth in range(20)]
    assert lines[20].startswith("a\N{REPLACEMENT CHARACTER}b?xxx")
    assert len(lines[20]) == 65_536


def test_a_flood_of_lines_holds_the_handler_up_and_loses_none(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers):
        job = in_status(db, add(db, new("floods", logs_kept=100_000))[0], within_s=60)

    assert history.logs(db, queue=QUEUE, job_id=job.id, start=19_999, length=1).entries == ["19999"]


def test_progress_that_cannot_be_is_the_handlers_fault(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers) as worker:
        job = in_status(db, add(db, new("misreports"))[0])
        assert job.failed_reason == "TypeError: progress must be a number or an object"
        assert in_status(db, add(db, new("unstorable"))[0]).status is Status.COMPLETED
        worker.expect("report_refused")


def test_a_cancelled_job_sees_it_and_is_not_tried_again(db: Database, shared_url: str, handlers: Path) -> None:
    job_id = add(db, new("looks", attempts=5))[0]
    with WorkerProgram(shared_url, handlers, **QUICK):
        until(lambda: history.logs(db, queue=QUEUE, job_id=job_id, start=0, length=1).count)
        manage.cancel(db, actor=ACTOR, queue=QUEUE, job_id=job_id)
        job = in_status(db, job_id)

    assert (job.status, job.failed_reason) == (Status.FAILED, "RuntimeError: stopped")
    assert outcomes(db, job_id) == ["cancelled"]


def test_a_handler_that_lost_its_lease_sees_that_it_may_stop(db: Database, shared_url: str, handlers: Path) -> None:
    job_id = add(db, new("looks"))[0]
    with WorkerProgram(shared_url, handlers, **(QUICK | {"recover_ms": 600_000})) as worker:
        until(lambda: history.logs(db, queue=QUEUE, job_id=job_id, start=0, length=1).count)
        databases.run(shared_url, "update rowline.jobs set lease_token = gen_random_uuid()")
        worker.expect("lease_lost")
        job = add(db, new("sleeps", data=JsonText("0")))[0]
        assert in_status(db, job).status is Status.COMPLETED  # the one process is free again
    assert find(db, job_id).status is Status.ACTIVE


def test_a_job_of_steps_waits_between_them_and_counts_one_attempt(
    db: Database, shared_url: str, handlers: Path, tmp_path: Path
) -> None:
    job_id = add(db, new("steps", data=JsonText(f'"{tmp_path / "steps"}"')))[0]
    with WorkerProgram(shared_url, handlers, **QUICK):
        job = in_status(db, job_id)

    assert (job.result, job.attempts_made, job.attempts_started) == ('"step step step "', 1, 3)
    assert outcomes(db, job_id) == ["released", "released", "completed"]


@pytest.mark.parametrize("name", ["sleeps", "spins"])
def test_an_attempt_that_takes_too_long_is_ended_and_tried_again(
    db: Database, shared_url: str, handlers: Path, name: str
) -> None:
    job_id = add(db, new(name, data=JsonText("60"), timeout_ms=700, attempts=2))[0]
    with WorkerProgram(shared_url, handlers, **QUICK) as worker:
        job = in_status(db, job_id)
        worker.expect("handler_timed_out")
        assert in_status(db, add(db, new("sleeps", data=JsonText("0")))[0]).status is Status.COMPLETED

    assert (job.status, job.failed_reason) == (Status.FAILED, "job timed out after 700 ms")
    assert (job.attempts_made, job.stalled_count) == (2, 0)
    assert outcomes(db, job_id) == ["timed-out", "timed-out"]


def test_threads_run_jobs_side_by_side_in_one_process(
    db: Database, shared_url: str, handlers: Path, tmp_path: Path
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    job_ids = add(db, *[new("meets", data=JsonText(f'"{meeting}"'))] * 4)
    with WorkerProgram(shared_url, handlers, worker_threads=4):
        done = [in_status(db, job_id) for job_id in job_ids]

    assert {job.status for job in done} == {Status.COMPLETED}, [job.failed_reason for job in done]
    assert len({job.result for job in done}) == 1


def test_many_jobs_on_threads_run_once_each(db: Database, shared_url: str, handlers: Path) -> None:
    job_ids = add(db, *[new("sleeps", data=JsonText("0"))] * 2_000)
    with WorkerProgram(shared_url, handlers, worker_threads=8, worker_processes=2):
        in_status(db, job_ids[-1])
        until(lambda: all(find(db, job_id).status is Status.COMPLETED for job_id in job_ids[-50:]))
    counted = databases.ask(shared_url, "select status, attempts_started, count(*) from rowline.jobs group by 1, 2")
    assert [(status, made) for status, made, _ in counted if status == "completed"] == [("completed", 1)]


def test_processes_that_die_at_once_are_started_more_and_more_slowly(
    db: Database, shared_url: str, handlers: Path
) -> None:
    add(db, *[new("dies")] * 12)
    with WorkerProgram(shared_url, handlers, **(QUICK | {"max_stalled_count": 0})) as worker:
        until(
            lambda: databases.ask(shared_url, "select count(*) from rowline.jobs where status = 'failed'") >= [(6,)],
            within_s=60,
        )
        job = add(db, new("sleeps", data=JsonText("0"), lifo=True))[0]
        assert in_status(db, job).status is Status.COMPLETED
        assert worker.output.count("handler_process_died") < 13


def test_a_job_of_a_test_reports_to_nobody(handlers: Path) -> None:
    job = rowline.Job(
        queue="q",
        id="1",
        name="n",
        data=1,
        opts={},
        priority=0,
        attempt=1,
        timestamp=0,
        token="t",
    )
    job.log("line")
    job.progress(5)
    assert job.cancelled is False
    with pytest.raises(ValueError, match="0 or more"):
        rowline.Release(delay_ms=-1)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf"), True, "5", None])
def test_a_wait_that_is_no_length_of_time_is_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match="seconds must be a number, 0 or more"):
        rowline.RetryIn(seconds, "busy")


@pytest.mark.parametrize(
    ("seconds", "delay_ms"), [(0, 0), (1.1, 1_100), (0.0004, 0), (10**9, 10**12), (1e308, 2**40 * 1_000)]
)
def test_a_wait_is_whole_milliseconds(seconds: float, delay_ms: int) -> None:
    retry = rowline.RetryIn(seconds, "busy")

    assert (retry.delay_ms, retry.reason, str(retry)) == (delay_ms, "busy", "busy")
    assert str(pickle.loads(pickle.dumps(retry))) == "busy"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_handler_gets_its_own_variables_and_no_secret_of_the_service(
    db: Database, shared_url: str, tmp_path: Path
) -> None:
    handlers = written(tmp_path, SEES)
    own = {"APP_DATABASE_URL": "postgresql://mine", "AUTH_TOKENS": "canary", "ROWLINE_SECRET_KEYS": KEY}
    own |= {"ROWLINE_WEBHOOK_SECRETS": f"whsec_{'canary' * 6}", "ROWLINE_URL": "http://127.0.0.1:1"}
    with WorkerProgram(shared_url, handlers, extra=own):
        job = in_status(db, add(db, new("sees"))[0])

    environ, argv, descriptors = json.loads(job.result or "")
    wanted = {"APP_DATABASE_URL", "ROWLINE_URL", "ROWLINE_TOKEN", "PATH"}
    assert {name for name in environ if name in wanted | set(own) | {"DATABASE_URL"}} == wanted
    assert not any(secret in word for secret in (shared_url, KEY, "canary") for word in [*environ.values(), argv])
    assert sorted(descriptors) == ["pipe", "socket"], "the ends of what it talks over with the worker, and no more"
