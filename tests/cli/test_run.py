import json
import os
import re
import shlex
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.cli import run
from app.infra.settings import Settings
from app.local import embedded, home
from app.postgres import schema
from tests.support import clusters, databases, workers
from tests.support.clusters import Program

WITHIN_S = 100.0


@pytest.fixture
def place() -> Iterator[Path]:
    with clusters.folder(clusters.in_memory()) as made:
        yield made


@pytest.fixture
def port() -> int:
    return clusters.free_port()


def rowline(place: Path, port: int, *, command: str | list[str] = "run", **env: str) -> Program:
    """Start it, with one process of the API, as each takes a second of CPU to start."""
    base = {"ROWLINE_HOME": str(place / "home"), "PORT": str(port), "DATABASE_URL": "", "AUTH_TOKENS": ""}
    base |= {"ROWLINE_API_PROCESSES": "1"}
    words = [command] if isinstance(command, str) else command
    return Program([*clusters.PYTHON, "-m", "app", *words], env=base | env)


@dataclass(frozen=True, kw_only=True)
class First:
    """A Rowline that was started once, from nothing, and stopped."""

    place: Path
    port: int
    added: Any
    """What the command answered that it proposes."""
    output: str


@pytest.fixture(scope="module")
def first() -> Iterator[First]:
    port = clusters.free_port()
    with clusters.folder(clusters.in_memory()) as place:
        with rowline(place, port, ROWLINE_API_PROCESSES=str(Settings().api_processes)) as program:
            curl = shlex.split(program.expect("curl ", within_s=WITHIN_S))
            added = subprocess.run([*curl, "--fail"], check=True, capture_output=True, text=True)
            with psycopg.connect(embedded.owner_url_of_running(Settings(home=place / "home"))) as conn:
                conn.execute("create table public.kept as select 7 as n")
            assert program.end(signal.SIGINT) == 0
        yield First(place=place, port=port, added=json.loads(added.stdout), output=program.output)


def copied(first: First, place: Path) -> Path:
    subprocess.run(["cp", "-a", first.place / "home", place / "home"], check=True)
    return place


@pytest.fixture
def used(first: First, place: Path) -> Path:
    """A copy of its home for one test, which need not pay for a database from nothing."""
    return copied(first, place)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A Rowline that several tests use, none of which ends any part of it."""

    place: Path
    port: int
    program: Program


@pytest.fixture(scope="module")
def running(first: First) -> Iterator[Running]:
    """One on a home that was used before, with a token that was given."""
    port = clusters.free_port()
    with (
        clusters.folder(clusters.in_memory()) as place,
        rowline(copied(first, place), port, AUTH_TOKENS="hush-hush") as program,
    ):
        program.expect("Ctrl-C stops it", within_s=WITHIN_S)
        yield Running(place=place, port=port, program=program)
        assert program.end(signal.SIGTERM) == 0


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def started(program: Program, child: str) -> int:
    """Wait for the next start of a child, and return its pid."""
    while True:
        event = json.loads(program.expect('"event":"child_started"', within_s=WITHIN_S))
        if event["child"] == child:
            return int(event["pid"])


def test_a_fresh_start_serves_and_says_how_to_add_a_job(first: First) -> None:
    assert [job["data"] for job in first.added] == [{"hello": "world"}]
    assert f"Creating the database in {first.place}/home/postgres" in first.output
    assert f"Rowline listens on http://127.0.0.1:{first.port}" in first.output


def test_a_second_start_finds_its_data(running: Running) -> None:
    owner = told(running.place, "db", "url", "--owner")
    assert databases.ask(owner, "select n from public.kept") == [(7,)]
    assert "Creating" not in running.program.rest()


def test_a_token_that_was_given_is_not_printed(running: Running) -> None:
    assert "hush" not in running.program.rest()


WHO = """
select distinct usename::text, application_name from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid() and usename is not null
"""
"""One that has just come has no name yet."""


def told(place: Path, *words: str, **env: str) -> str:
    """What a command of the same user says of the Rowline that runs in `place`."""
    with rowline(place, 1, command=list(words), **env) as program:
        assert program.end(within_s=WITHIN_S) == 0, program.output
    return program.output.strip()


def jobs_of(port: int, queue: str) -> list[str]:
    """The names of the jobs of a queue, asked for with the token `t`."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/queues/{queue}/jobs", headers={"Authorization": "Bearer t"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return [job["name"] for job in json.load(answer)["jobs"]]


def test_what_serves_is_no_superuser_on_data_of_an_earlier_release_too(place: Path, port: int) -> None:
    with home.hold(place / "home"):
        cluster = clusters.Cluster(Settings(home=place / "home"))
        cluster.start()
        schema.upgrade(cluster.url, revision="0009")  # by the superuser, who then owns all of it
        databases.run(cluster.url, "select rowline.enqueue('kept', 'n', '1')")
        cluster.stop()
    with rowline(place, port, AUTH_TOKENS="t") as program:
        program.expect("Ctrl-C stops it", within_s=WITHIN_S)
        assert jobs_of(port, "kept") == ["n"]
        owner = told(place, "db", "url", "--owner")

        def who() -> dict[str, str]:
            return {name.split(" ")[0]: role for role, name in databases.ask(owner, WHO)}

        clusters.until(lambda: {"rowline-api", "rowline-worker", "rowline-dispatcher"} <= set(who()))
        # Those of the owner, who migrates, and asks here, are there for a moment longer than they are used.
        clusters.until(lambda: set(who().values()) == {"rowline_runtime"})
        assert databases.ask(owner, "select distinct proowner::regrole::text from pg_proc where prosecdef") == [
            ("rowline_owner",)
        ]
        assert program.end(signal.SIGTERM) == 0


def test_every_command_has_the_rights_that_it_needs_and_programs_have_no_more(running: Running) -> None:
    (running.place / "psqlrc").write_text("select current_user || ' asks'")
    for words in ("upgrade", "recount", "status", "check", "roles --apply", "explain leases/claim"):
        told(running.place, "db", *words.split())
    assert "rowline asks" in told(running.place, "db", "psql", PSQLRC=str(running.place / "psqlrc"))
    assert "queues" in told(running.place, "report", "queues")
    url, owner = told(running.place, "db", "url"), told(running.place, "db", "url", "--owner")
    for one in (url, owner):
        dump = [str(embedded.programs(Settings()) / "pg_dump"), "--schema=rowline", "--schema=report", one]
        dumped = subprocess.run(dump, check=True, capture_output=True, text=True)
        assert "CREATE TABLE rowline.jobs" in dumped.stdout
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        databases.run(url, "drop table rowline.jobs")


def test_a_worker_of_the_same_user_works_with_the_url_that_it_is_told(running: Running, place: Path) -> None:
    handlers = workers.written(place, "@rowline.handler('n')\ndef work(job):\n    return 1\n")
    databases.run(told(running.place, "db", "url", "--owner"), "select rowline.enqueue('mail', 'n', '1')")
    url = told(running.place, "db", "url")
    words = ["work", "--queue", "mail", "--handlers", str(handlers)]
    with rowline(running.place, 1, command=words, DATABASE_URL=url) as worker:
        done = "select count(*) from rowline.jobs where queue = 'mail' and status = 'completed'"
        clusters.until(lambda: databases.ask(url, done) == [(1,)], within_s=WITHIN_S)
        assert worker.end(signal.SIGTERM) == 0


def test_a_second_rowline_on_the_same_home_is_told_so(running: Running) -> None:
    with rowline(running.place, running.port) as second:
        assert second.end() == 1
    home, pid = running.place / "home", running.program.pid
    assert f"Rowline already runs in {home} (process {pid}, http://127.0.0.1:{running.port})" in second.output


def test_a_port_in_use_is_named_before_anything_starts(place: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)), rowline(place, port) as program:
        assert program.end() == 1
    assert f"the API cannot listen on 127.0.0.1:{port}: Address already in use" in program.output
    assert not (place / "home" / "postgres").exists()


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("localhost", "127.0.0.1"),  # which is ::1 too, where another account may listen
        *(("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1"), ("0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")),
        ("no-such-name.invalid", "no-such-name.invalid"),
    ],
)
def test_commands_reach_the_api_by_an_address_that_it_listens_on(host: str, reached: str) -> None:
    assert run.reached(Settings(host=host, port=80)) == f"http://{reached}:80"


@pytest.mark.parametrize("command", ["run", "serve"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_for_others_needs_a_token(place: Path, port: int, host: str, command: str) -> None:
    url = {"DATABASE_URL": "postgresql://127.0.0.1:1/x"} if command == "serve" else {}
    with rowline(place, port, command=command, HOST=host, **url) as program:
        assert program.end() == 2
    assert "AUTH_TOKENS is not set" in program.output
    assert not (place / "home").exists()


def test_each_run_without_a_token_makes_up_its_own_and_says_so(shared_url: str, place: Path, port: int) -> None:
    tokens: set[str] = set()
    for _ in range(2):
        with rowline(place, port, command="serve", DATABASE_URL=shared_url) as program:
            token = program.expect("AUTH_TOKENS is not set. The token of this run: ").split()[-1]
            program.expect("api_started")
            assert [status(port, shown) for shown in (token, "", *tokens)] == [200, 401, *[401] * len(tokens)]
            tokens.add(token)
    assert len(tokens) == 2
    assert all(len(token) >= 32 for token in tokens)


def status(port: int, token: str) -> int:
    """Ask with a token, and say what comes."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/queues/q/jobs", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("command", ["run", "serve", "work", "dispatch"])
def test_settings_that_cannot_be_used_are_all_named_before_anything_starts(
    place: Path, port: int, command: str
) -> None:
    words = [command, "--queue", "q", "--handlers", __file__] if command == "work" else [command]
    with rowline(place, port, command=words, PORT="x", ROWLINE_LEASE_MS="5", ROWLINE_NOPE="1") as program:
        assert program.end() == 2
    for fault in ("PORT: 'x' must be", "ROWLINE_LEASE_MS: '5' must be", "ROWLINE_NOPE: no such setting"):
        assert fault in program.output
    assert "Traceback" not in program.output
    assert not (place / "home").exists()


def test_a_killed_postgres_comes_back_under_the_same_api_and_worker(used: Path, port: int) -> None:
    with rowline(used, port) as program:
        pids = {name: started(program, name) for name in ("postgres", "api", "worker")}
        program.expect("Ctrl-C stops it", within_s=WITHIN_S)
        os.kill(pids["postgres"], signal.SIGKILL)
        assert started(program, "postgres") != pids["postgres"]
        clusters.until(lambda: is_ready(port))
        assert all(clusters.is_alive(pids[name]) for name in ("api", "worker"))
        assert program.end(signal.SIGTERM) == 0


def test_a_killed_rowline_leaves_nothing_in_the_way_of_the_next(used: Path, port: int) -> None:
    with rowline(used, port, ROWLINE_DRAIN_MS="1000") as program:
        pids = [started(program, name) for name in ("postgres", "api", "worker")]
        program.expect("Ctrl-C stops it", within_s=WITHIN_S)
        program.process.kill()
        clusters.until(lambda: not any(map(clusters.is_alive, pids)))
    with rowline(used, port) as program:
        program.expect("Ctrl-C stops it", within_s=WITHIN_S)
        assert program.end(signal.SIGTERM) == 0


def test_a_database_of_the_operator_needs_no_home(place: Path, port: int) -> None:
    with clusters.cluster(is_copy=True) as cluster, rowline(place, port, DATABASE_URL=cluster.url) as program:
        program.expect("Database  as set in DATABASE_URL", within_s=WITHIN_S)
        clusters.until(lambda: is_ready(port))
        assert program.end(signal.SIGTERM) == 0
    assert not (place / "home").exists()


def test_a_database_that_is_away_is_reported(place: Path, port: int) -> None:
    with rowline(place, port, DATABASE_URL=f"postgresql://127.0.0.1:{clusters.free_port()}/x") as program:
        assert program.end() == 1
    assert re.search(r"Error: .*not available", program.output)


def test_a_server_that_cannot_start_says_why(place: Path, port: int, postgres_bin: Path | None) -> None:
    with home.hold(place / "home"):
        cluster = clusters.Cluster(Settings(home=place / "home", postgres_bin=postgres_bin))
        cluster.start()
        cluster.stop()
    (place / "home" / "postgres" / "postgresql.auto.conf").write_text("no_such_setting = 1\n")
    with rowline(place, port) as program:
        assert program.end() == 1
    assert "postgres does not start" in program.output
    assert "no_such_setting" in program.output


def test_a_stop_during_the_start_is_no_fault(place: Path, port: int) -> None:
    (place / "gunicorn.py").write_text("import signal\nsignal.pause()\n")  # so that the start has no end
    with rowline(place, port, PYTHONPATH=":".join([str(place), *clusters.IMPORTABLE])) as program:
        program.expect("child_started", within_s=WITHIN_S)
        assert program.end(signal.SIGTERM) == 0
    assert "Ctrl-C" not in program.output
