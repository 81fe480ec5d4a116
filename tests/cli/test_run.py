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
from pathlib import Path

import psycopg
import pytest

from app.infra.settings import Settings
from app.local import embedded, home
from app.postgres import schema
from tests.support import clusters, databases, workers
from tests.support.clusters import Program

WITHIN_S = 45.0


@pytest.fixture
def place() -> Iterator[Path]:
    with clusters.folder() as made:
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


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A place with the home of a Rowline that was started once and stopped."""
    with clusters.folder() as first:
        with rowline(first, clusters.free_port()) as program:
            program.expect("Ctrl-C stops it", within_s=WITHIN_S)
            assert program.end(signal.SIGTERM) == 0
        yield first


@pytest.fixture
def used(made: Path, place: Path) -> Path:
    """A copy of it for one test, which need not pay for a database from nothing."""
    subprocess.run(["cp", "-a", made / "home", place / "home"], check=True)
    return place


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=20) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def started(program: Program, child: str) -> int:
    """Wait for the next start of a child, and return its pid."""
    while True:
        event = json.loads(program.expect('"event":"child_started"', within_s=WITHIN_S))
        if event["child"] == child:
            return int(event["pid"])


def test_a_fresh_start_serves_and_says_how_to_add_a_job(place: Path, port: int) -> None:
    shipped = str(Settings().api_processes)
    with rowline(place, port, ROWLINE_API_PROCESSES=shipped) as program:
        curl = shlex.split(program.expect("curl ", within_s=WITHIN_S))
        added = subprocess.run([*curl, "--fail"], check=True, capture_output=True, text=True)
        assert [job["data"] for job in json.loads(added.stdout)] == [{"hello": "world"}]
        assert program.end(signal.SIGTERM) == 0
    assert f"Creating the database in {place}/home/postgres" in program.output
    assert f"Rowline listens on http://127.0.0.1:{port}" in program.output


def test_a_second_start_finds_its_data(place: Path, port: int) -> None:
    for statement in ("CREATE TABLE kept AS SELECT 7 AS n", "INSERT INTO kept VALUES (8)"):
        with rowline(place, port) as program:
            program.expect("Ctrl-C stops it", within_s=WITHIN_S)
            with psycopg.connect(embedded.owner_url_of_running(Settings(home=place / "home"))) as conn:
                conn.execute(statement.encode())
            assert program.end(signal.SIGINT) == 0
    assert "Making" not in program.output


WHO = """
select distinct usename::text, application_name from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid()
"""


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
    with urllib.request.urlopen(asked, timeout=50) as answer:
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
        who = {name.split(" ")[0]: role for role, name in databases.ask(owner, WHO)}
        assert set(who.values()) == {"rowline_runtime"}
        assert {"rowline-api", "rowline-worker", "rowline-dispatcher"} <= set(who)
        assert databases.ask(owner, "select distinct proowner::regrole::text from pg_proc where prosecdef") == [
            ("rowline_owner",)
        ]
        assert program.end(signal.SIGTERM) == 0


def test_every_command_has_the_rights_that_it_needs_and_programs_have_no_more(used: Path, port: int) -> None:
    (used / "psqlrc").write_text("select current_user || ' asks'")
    with rowline(used, port) as program:
        program.expect("Ctrl-C stops it", within_s=WITHIN_S)
        for words in ("upgrade", "recount", "status", "check", "roles --apply", "explain leases/claim"):
            told(used, "db", *words.split())
        assert "rowline asks" in told(used, "db", "psql", PSQLRC=str(used / "psqlrc"))
        assert "queues" in told(used, "report", "queues")
        url, owner = told(used, "db", "url"), told(used, "db", "url", "--owner")
        for one in (url, owner):
            dump = [str(embedded.programs(Settings()) / "pg_dump"), "--schema=rowline", "--schema=report", one]
            dumped = subprocess.run(dump, check=True, capture_output=True, text=True)
            assert "CREATE TABLE rowline.jobs" in dumped.stdout
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            databases.run(url, "drop table rowline.jobs")
        assert program.end(signal.SIGTERM) == 0


def test_a_worker_of_the_same_user_works_with_the_url_that_it_is_told(used: Path, port: int) -> None:
    handlers = workers.written(used, "@rowline.handler('n')\ndef work(job):\n    return 1\n")
    with rowline(used, port) as program:
        program.expect("Ctrl-C stops it", within_s=WITHIN_S)
        owner = told(used, "db", "url", "--owner")
        databases.run(owner, "select rowline.enqueue('mail', 'n', '1')")
        words = ["work", "--queue", "mail", "--handlers", str(handlers)]
        with rowline(used, 1, command=words, DATABASE_URL=told(used, "db", "url")) as worker:
            done = "select count(*) from rowline.jobs where status = 'completed'"
            clusters.until(lambda: databases.ask(owner, done) == [(1,)], within_s=WITHIN_S)
            assert worker.end(signal.SIGTERM) == 0
        assert program.end(signal.SIGTERM) == 0


def test_a_second_rowline_on_the_same_home_is_told_so(used: Path, port: int) -> None:
    with rowline(used, port) as first:
        first.expect("Ctrl-C stops it", within_s=WITHIN_S)
        with rowline(used, port) as second:
            assert second.end() == 1
        assert first.end(signal.SIGTERM) == 0
    said = f"Rowline already runs in {used}/home (process {first.pid}, http://127.0.0.1:{port})"
    assert said in second.output


def test_a_port_in_use_is_named_before_anything_starts(place: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)), rowline(place, port) as program:
        assert program.end() == 1
    assert f"the API cannot listen on 127.0.0.1:{port}: Address already in use" in program.output
    assert not (place / "home" / "postgres").exists()


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
        with urllib.request.urlopen(asked, timeout=20) as answer:
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


def test_a_token_that_was_given_is_not_printed(used: Path, port: int) -> None:
    with rowline(used, port, AUTH_TOKENS="hush-hush") as program:
        program.expect("Ctrl-C stops it", within_s=WITHIN_S)
        assert program.end(signal.SIGTERM) == 0
    assert "hush" not in program.output


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
    with clusters.cluster() as cluster, rowline(place, port, DATABASE_URL=cluster.url) as program:
        program.expect("Database  as set in DATABASE_URL", within_s=WITHIN_S)
        assert is_ready(port)
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
    with rowline(place, port) as program:
        program.expect("child_started", within_s=WITHIN_S)
        assert program.end(signal.SIGTERM) == 0
    assert "Ctrl-C" not in program.output
