"""What a handler raises or returns may itself raise while it is told: the attempt fails, and the process goes on."""

from pathlib import Path

import pytest

from app.domain.job import JsonText
from app.domain.states import Status
from app.postgres.database import Database
from tests.support.jobs import new
from tests.support.workers import WorkerProgram, add, in_status, written

ODD = """
    class Secretive(Exception):
        def __getattr__(self, name):
            raise KeyError(name)

    class Mute(Exception):
        def __str__(self):
            raise SystemExit(3)

    class Closed(Exception):
        def __getattribute__(self, name):
            raise KeyError(name)

    class Odd(rowline.Release):
        def __init__(self):
            pass

    class OddRetry(rowline.RetryIn):
        def __init__(self):
            pass

    class Unlisted(dict):
        def items(self):
            raise KeyError("items")

    class Anonymous(BaseException):
        __class__ = property(lambda self: 1 / 0)

    class Guarded:
        def __getattr__(self, name):
            raise KeyError(name)

        def calls(self):
            return undefined_name

    class Names:  # of a program that `exec` runs: it seems to be in a method, of an object that cannot be had
        def __iter__(self):
            return iter(["self"])

        def keys(self):
            return ["self"]

        def __contains__(self, name):
            return True

        def __getitem__(self, name):
            raise KeyError(name)

    def within(error):
        try:
            raise error
        finally:
            raise RuntimeError("while it was mended")

    def released(delay_ms):
        release = rowline.Release()
        release.delay_ms = delay_ms
        return release

    def retry(delay_ms):
        chosen = rowline.RetryIn(0, "r")
        chosen.delay_ms = delay_ms
        return chosen

    RAISED = {
        "secretive": lambda: Secretive("told"),
        "closed": Closed,
        "mute": Mute,
        "bytes": lambda: SyntaxError("told", ("file", 1, 1, b"text")),
        "anonymous": Anonymous,
        "name in a method": lambda: Guarded().calls(),
        "name in a mapping": lambda: exec("undefined_name", {}, Names()),
        "release": Odd,
        "retry": OddRetry,
        "retry text": lambda: retry("soon"),
        "retry of anything": lambda: rowline.RetryIn(0, Mute()),
        "release text": lambda: released("soon"),
        "release of thousands of digits": lambda: released(-(10 ** 5_000)),
    }

    @rowline.handler("raises")
    def raises(job):
        raise RAISED[job.data]()

    @rowline.handler("raises within")
    def raises_within(job):
        within(RAISED[job.data]())

    @rowline.handler("returns")
    def returns(job):
        return {"unlisted": Unlisted(a=1), "long": 10 ** 5_000, "listed": [Unlisted(a=1)]}[job.data]

    @rowline.handler("pid")
    def pid(job):
        return os.getpid()
"""
TOLD = [
    ("raises", "secretive", "Secretive: told"),
    ("raises", "closed", "Closed"),
    ("raises", "mute", "Mute"),
    ("raises", "bytes", "told"),
    ("raises", "anonymous", "Anonymous"),
    # Python 3.12 and later look for what the name may have been meant to be, with `self` of the last frame.
    ("raises", "name in a method", "name 'undefined_name' is not defined"),
    ("raises", "name in a mapping", "name 'undefined_name' is not defined"),
    ("raises", "release", "AttributeError"),
    ("raises", "retry", "AttributeError"),
    ("raises", "retry text", "delay_ms"),
    ("raises", "retry of anything", "SystemExit: 3"),
    ("raises", "release text", "delay_ms"),
    ("raises", "release of thousands of digits", "delay_ms"),
    ("raises within", "secretive", "RuntimeError: while it was mended"),
    ("raises within", "mute", "RuntimeError: while it was mended"),
    ("returns", "unlisted", "the handler's result is not a JSON value: 'items'"),
    ("returns", "listed", "the handler's result is not a JSON value: 'items'"),
    ("returns", "long", "the handler's result is not a JSON value"),
]


@pytest.mark.parametrize("threads", [1, 3])
def test_what_cannot_be_told_fails_its_attempt_and_costs_no_process(
    db: Database, shared_url: str, tmp_path: Path, threads: int
) -> None:
    asked = [new(name, data=JsonText(f'"{data}"'), attempts=2) for name, data, _ in TOLD]
    with WorkerProgram(shared_url, written(tmp_path, ODD), worker_threads=threads) as worker:
        before = in_status(db, add(db, new("pid"))[0], within_s=60).result
        done = [in_status(db, job_id, within_s=60) for job_id in add(db, *asked)]
        assert in_status(db, add(db, new("pid"))[0], within_s=60).result == before
        assert "handler_process_died" not in worker.output

    assert {(job.status, job.attempts_made, job.stalled_count) for job in done} == {(Status.FAILED, 2, 0)}
    for job, (_, _, reason) in zip(done, TOLD, strict=True):
        assert reason in (job.failed_reason or "")
        assert len(job.stacktrace) == (0 if "result" in reason else 2)
        assert not job.stacktrace or "in raises" in job.stacktrace[0]


def test_a_thread_that_ends_by_an_exception_ends_its_process(db: Database, shared_url: str, tmp_path: Path) -> None:
    """What a handler has left behind strikes a thread that waits for its next job."""
    file = written(
        tmp_path,
        """
        import ctypes, sys, threading

        @rowline.handler("strike")
        def strike(job):
            for ident in sys._current_frames():
                if ident not in (threading.get_ident(), threading.main_thread().ident):
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(SystemExit))
            return os.getpid()

        @rowline.handler("pid")
        def pid(job):
            return os.getpid()
        """,
    )
    with WorkerProgram(shared_url, file, worker_threads=2) as worker:
        struck = [in_status(db, job_id, within_s=60).result for job_id in add(db, *[new("strike")] * 8)]
        worker.expect("handler_process_died", within_s=60)
        again = in_status(db, add(db, new("pid"))[0], within_s=60)
    assert again.status is Status.COMPLETED
    assert again.result not in struck
