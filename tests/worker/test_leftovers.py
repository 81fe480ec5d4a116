"""What a handlers file imports, and what its handlers leave behind."""

import signal
from pathlib import Path

import pytest

from app.domain.states import Status
from app.postgres.database import Database
from tests.support.clusters import is_alive
from tests.support.jobs import new
from tests.support.workers import WorkerProgram, add, in_status, written

LEAVES = {
    "thread": "threading.Thread(target=time.sleep, args=(600,)).start()",
    "executor": "concurrent.futures.ThreadPoolExecutor().submit(time.sleep, 600)",
    "process": "multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,)).start()",
    "farewell": "atexit.register(time.sleep, 600)",
}


@pytest.mark.parametrize("left", LEAVES)
@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_handler_leaves_behind_holds_up_no_stop(
    db: Database, shared_url: str, tmp_path: Path, left: str, threads: int
) -> None:
    file = written(
        tmp_path,
        f"""
        import atexit, concurrent.futures, multiprocessing, threading
        atexit.register(lambda: open({str(tmp_path / "farewell")!r}, "w").close())

        @rowline.handler("leaves")
        def leaves(job):
            {LEAVES[left]}
            return os.getpid()
        """,
    )
    with WorkerProgram(shared_url, file, worker_threads=threads, drain_ms=3_600_000) as worker:
        job = in_status(db, add(db, new("leaves"))[0], within_s=60)
        assert worker.end(signal.SIGTERM, within_s=60) == 0
        assert not is_alive(int(job.result or "0"))


def test_a_thread_that_ends_soon_and_what_was_registered_for_the_end_are_waited_for(
    db: Database, shared_url: str, tmp_path: Path
) -> None:
    file = written(
        tmp_path,
        f"""
        import atexit, threading
        done = threading.Event()

        def beside():
            done.wait()
            with open({str(tmp_path / "said")!r}, "a") as said:
                said.write("thread ")

        def farewell():
            with open({str(tmp_path / "said")!r}, "a") as said:
                said.write("farewell")

        threading._register_atexit(done.set)
        atexit.register(farewell)

        @rowline.handler("leaves")
        def leaves(job):
            threading.Thread(target=beside).start()
        """,
    )
    with WorkerProgram(shared_url, file) as worker:
        in_status(db, add(db, new("leaves"))[0], within_s=60)
        assert worker.end(signal.SIGTERM, within_s=60) == 0
    assert (tmp_path / "said").read_text() == "thread farewell"


@pytest.mark.parametrize("package", [True, False])
def test_a_handlers_file_that_is_imported_by_its_own_name_is_loaded_once(
    db: Database, shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, package: bool
) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    (tmp_path / "beside.py").write_text("from jobs.handlers import PRICES, price\nimport jobs.handlers as again\n")
    if package:
        (folder / "__init__.py").touch()
    file = written(
        folder,
        """
        PRICES = {"letter": 1}

        @rowline.handler("price")
        def price(job):
            import handlers
            return [PRICES["letter"], beside.PRICES is PRICES is handlers.PRICES, beside.again is handlers]

        import beside
        PRICES["letter"] = 2
        """,
    )
    monkeypatch.chdir(tmp_path)
    with WorkerProgram(shared_url, file):
        job = in_status(db, add(db, new("price"))[0], within_s=60)
    assert (job.status, job.result) == (Status.COMPLETED, "[2, true, true]")


def test_two_handlers_for_a_name_are_told_with_their_places(shared_url: str, tmp_path: Path) -> None:
    (tmp_path / "mail.py").write_text("import rowline\n\n@rowline.handler('a')\ndef first(job): ...\n")
    file = written(tmp_path, "import mail\n@rowline.handler('a')\ndef second(job): ...")
    with WorkerProgram(shared_url, file) as worker:
        assert worker.end(within_s=60) == 1
    assert "two handlers for jobs called 'a': mail.first" in worker.output
    assert f"{tmp_path}/mail.py" in worker.output
    assert f"handlers.second in {file}" in worker.output


def test_a_file_that_was_imported_by_two_names_is_told_of(
    shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "mail.py").write_text("import rowline\n\n@rowline.handler('a')\ndef first(job): ...\n")
    monkeypatch.chdir(tmp_path)
    with WorkerProgram(shared_url, written(tmp_path / "jobs", "import mail, jobs.mail")) as worker:
        assert worker.end(within_s=60) == 1
    assert "was imported twice, as mail and as jobs.mail: import it under one name only" in worker.output
