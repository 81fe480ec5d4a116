"""No command shows a secret, whatever is wrong around it: neither on its output nor in the list of processes."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.cli import main as command
from app.infra import settings
from app.infra.settings import Settings
from app.local import binaries
from tests.support import clusters
from tests.support.clusters import PYTHON, Cluster, Program

CANARY = "canary"
HANDLERS = str(Path(__file__).parents[1] / "examples" / "handlers.py")
WORK = ("work", "--queue", "q", "--handlers", HANDLERS)
ENDING = (
    *(("db", *words) for words in (("upgrade",), ("downgrade", "0001"), ("status",), ("sql",), ("check",))),
    *(("db", *words) for words in (("roles", "--apply"), ("recount",), ("explain", "leases/claim"))),
    *(("run",), ("endpoints", "reencrypt"), ("report", "queues")),
)
"""Commands that end by themselves when the database is away."""
SERVING = (("serve",), ("dispatch",), WORK)
SECRETS = {
    "AUTH_TOKENS": f"{CANARY}-token-1234567890",
    "ROWLINE_TOKEN": f"{CANARY}-client-token",
    "ROWLINE_WEBHOOK_SECRETS": f"whsec_{CANARY * 6}",
    "ROWLINE_SECRET_KEYS": f"{CANARY * 7}Q=",
    "ROWLINE_LOG_LEVEL": "debug",
}
BAD_URLS = {
    "a bare %": "postgresql://u:canary%zz@127.0.0.1/db",
    "a % at the end": "postgresql://u:canary%@127.0.0.1/db",
    "a NUL": "postgresql://u:canary%00@127.0.0.1/db",
    "a bad port": "postgresql://u:pw@127.0.0.1:canary/db",
    "a port too high": "postgresql://canary:pw@127.0.0.1:99999/db",
    "a / in the password": "postgresql://u:canary/canary@127.0.0.1/db",
    "a / behind digits": "postgresql://u:12/canary@127.0.0.1/db",
    "an @ in the password": "postgresql://u:pw@canary@127.0.0.1/db",
    "an @ in the user": "postgresql://u@canary:canary@127.0.0.1/db",
    "an open bracket": "postgresql://u:canary@[::1/db",
    "a bracket too much": "postgresql://u:canary@[::1]canary/db",
    "a space": "postgresql://u:can ary-canary@127.0.0.1/db",
    "an unknown parameter": "postgresql://u:canary@127.0.0.1/db?canary=canary",
    "a parameter without a value": "postgresql://u:canary@127.0.0.1/db?canary",
    "options with a bare =": "postgresql://u:canary@127.0.0.1/db?options=-c canary=1",
    "an sslmode that is none": "postgresql://u:canary@127.0.0.1/db?sslmode=canary",
    "a kind of session that is none": "postgresql://u:canary@127.0.0.1/db?target_session_attrs=canary",
    "another scheme": "mysql://u:canary@127.0.0.1/db",
    "no database": "postgresql://u:canary@127.0.0.1",
    "words": "host=127.0.0.1 password=canary",
    "no UTF-8": "postgresql://u:canary\udcff@127.0.0.1/db",
}
AWAY = "postgresql://u:canary@127.0.0.1:{port}/db"
AWRY = {
    "an unknown host": "postgresql://u:canary@nowhere.invalid/db",
    "a bad version of TLS": "postgresql://u:canary@127.0.0.1:{port}/db?ssl_min_protocol_version=odd",
    "an option that is none": "postgresql://u:canary@/postgres?host={sockets}&port=5432&options=-c%20odd.%3D1",
    "a wrong password": "postgresql://guarded:canary-wrong@/postgres?host={sockets}&port=5432",
    "an unknown database": "postgresql://guarded:canary-right@/nothing?host={sockets}&port=5432",
}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """A server that wants the password of the role `guarded`."""
    with clusters.cluster(is_copy=True) as cluster:
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute("create role guarded login password 'canary-right'")
            rules = cluster.settings.home / "pg_hba.conf"
            rules.write_text(f"local all guarded scram-sha-256\n{rules.read_text()}")
            connection.execute("select pg_reload_conf()")
        yield cluster


def started(words: tuple[str, ...], place: Path, **env: str) -> Program:
    base = SECRETS | {"ROWLINE_HOME": str(place), "PORT": str(clusters.free_port()), "ROWLINE_API_PROCESSES": "1"}
    return Program([*PYTHON, "-m", "app", *words], env=base | env)


def said(words: tuple[str, ...], place: Path, **env: str) -> tuple[int, str]:
    with started(words, place, **env) as program:
        return program.end(within_s=60), program.output


def test_every_command_refuses_a_bad_url_in_one_line_that_shows_nothing_of_it(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        env = {"DATABASE_URL": BAD_URLS["a bare %"]}
        commands = [*ENDING, *SERVING, ("db", "url"), ("db", "psql")]
        programs = [(words, stack.enter_context(started(words, tmp_path, **env))) for words in commands]
        for words, program in programs:
            assert program.end(within_s=60) == 2, words
            first, *rest = program.output.splitlines()
            assert first == "rowline: invalid settings:"
            assert rest == [
                "DATABASE_URL: its value has a % that begins no percent-encoded character: write % itself as %25"
            ]


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
def test_a_bad_url_is_refused_with_a_word_on_what_is_wrong_and_none_of_it(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In this process: that each command refuses so, as a process, is the test above."""
    for name, value in (SECRETS | {"DATABASE_URL": url}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["rowline", "db", "check"])

    with pytest.raises(SystemExit) as ended:
        command.main()

    output = "".join(capfd.readouterr())
    assert (ended.value.code, output.count("\n")) == (2, 2), output
    assert "DATABASE_URL: its value " in output
    assert CANARY not in output


def test_no_command_shows_a_secret_when_the_database_is_away(tmp_path: Path) -> None:
    url = AWAY.format(port=clusters.free_port())
    with contextlib.ExitStack() as stack:
        programs = [stack.enter_context(started(words, tmp_path, DATABASE_URL=url)) for words in (*ENDING, *SERVING)]
        for program in programs[: len(ENDING)]:
            assert program.end(within_s=60) in {1, 6}, program.output  # failed, or unavailable
        for program in programs[len(ENDING) :]:
            program.expect("Connection refused", within_s=60)
            program.end(signal.SIGTERM, within_s=60)
        for program in programs:
            assert "Connection refused" in program.output
            assert CANARY not in program.output
            assert "Traceback" not in program.output


@pytest.mark.parametrize("url", AWRY.values(), ids=AWRY)
@pytest.mark.parametrize("command", ["check", "upgrade"])
def test_a_database_that_does_not_let_us_in_is_told_of_without_the_password(
    guarded: Cluster, url: str, command: str, tmp_path: Path
) -> None:
    named = url.format(sockets=guarded.server.sockets, port=clusters.free_port())
    code, output = said(("db", command), tmp_path, DATABASE_URL=named)

    assert code == (1 if command == "check" else 6)
    assert "the database is not available: " in output
    assert output.count("\n") == 1
    assert CANARY not in output


def of_process(pid: int, what: str) -> str:
    """What the kernel shows of a process: its `cmdline` to everybody, its `environ` to its own user."""
    return Path(f"/proc/{pid}/{what}").read_text().replace("\0", "\n")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_psql_is_given_the_password_where_no_list_of_processes_shows_it(
    guarded: Cluster, postgres_bin: Path | None
) -> None:
    place = f"host={guarded.server.sockets}&port=5432&application_name=mine&sslpassword=canary"
    path = f"{binaries.folder(Settings(postgres_bin=postgres_bin))}:{os.environ['PATH']}"
    env = SECRETS | {"DATABASE_URL": f"postgresql://guarded:canary-right@/postgres?{place}", "PATH": path}
    with Program([*PYTHON, "-m", "app", "db", "psql"], env=env, terminal=True) as program:
        program.type("select concat(current_user, ' is ', current_setting('application_name'));\n")
        program.expect("guarded is mine", within_s=60)
        assert "psql" in of_process(program.pid, "cmdline")
        assert CANARY not in of_process(program.pid, "cmdline")
        secret = [line for line in of_process(program.pid, "environ").split("\n") if CANARY in line]
        assert secret == [f"ROWLINE_TOKEN={SECRETS['ROWLINE_TOKEN']}", "PGPASSWORD=canary-right"]


def test_a_psql_that_is_not_there_is_named(tmp_path: Path) -> None:
    words = ("db", "psql")
    code, output = said(words, tmp_path, DATABASE_URL=AWAY.format(port=1), PATH=str(tmp_path))

    assert (code, output) == (1, "Error: psql cannot be started: No such file or directory\n")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_no_process_of_the_service_has_a_secret_in_its_arguments(tmp_path: Path) -> None:
    env = {"DATABASE_URL": AWAY.format(port=clusters.free_port())}
    with contextlib.ExitStack() as stack:
        for words in SERVING:
            program = stack.enter_context(started(words, tmp_path, **env))
            program.expect("Connection refused", within_s=60)
            family = [program.pid, *map(int, of_process(program.pid, f"task/{program.pid}/children").split())]
            assert all(CANARY not in of_process(pid, "cmdline") for pid in family)


@pytest.mark.parametrize("url", [BAD_URLS["a bare %"], AWAY.format(port=1)])
def test_gunicorn_by_itself_shows_no_secret_when_the_service_cannot_be_loaded(url: str, tmp_path: Path) -> None:
    words = ["-m", "gunicorn", "--config", "python:app.web.server", "wsgi:application"]
    bad = {"DATABASE_URL": url, "HOST": "0.0.0.0", "AUTH_TOKENS": "canary", "ROWLINE_HOME": str(tmp_path)}
    few = {"PORT": str(clusters.free_port()), "ROWLINE_API_PROCESSES": "1"}
    with Program([*PYTHON, *words], env=SECRETS | bad | few) as program:
        assert program.end(within_s=60) in {1, 3}, "gunicorn's own codes for it"
        assert "SettingsError" in program.output
        assert CANARY not in program.output


@pytest.mark.parametrize(
    "url", ["http://u:canary@127.0.0.1", "http://127.0.0.1/?t=canary", "http://h:canary", "http://u:canary@\u2100x"]
)
def test_a_worker_does_not_show_a_secret_in_the_address_of_its_service(url: str, tmp_path: Path) -> None:
    code, output = said(WORK, tmp_path, DATABASE_URL="", ROWLINE_URL=url)

    assert (code, output.count("\n")) == (1, 1)
    assert "the URL must look like http://127.0.0.1:8080" in output
    assert CANARY not in output


@pytest.mark.parametrize("command", ["run", "serve"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.255.255.1"])
def test_a_short_token_is_refused_where_other_machines_can_ask(command: str, host: str, tmp_path: Path) -> None:
    env = {"HOST": host, "AUTH_TOKENS": "a-long-and-good-token,canary1", "DATABASE_URL": AWAY.format(port=1)}
    code, output = said((command,), tmp_path, **env)

    assert code == 2
    assert "AUTH_TOKENS: a token has fewer than 8 characters" in output
    assert CANARY not in output


@pytest.mark.parametrize(
    ("host", "token", "is_warned"),
    [
        ("0.0.0.0", "canary-8", True),
        ("0.0.0.0", "canary-with-15-", True),
        ("0.0.0.0", "canary-with-16--", False),
        ("127.0.0.1", "a", False),
    ],
)
def test_a_token_is_soon_guessed_by_its_length_and_by_who_can_ask(host: str, token: str, *, is_warned: bool) -> None:
    chosen = settings.from_env({"HOST": host, "AUTH_TOKENS": f"a-long-and-good-token,{token}"})

    assert (chosen.warning is not None) is is_warned
    assert CANARY not in str(chosen.warning)


@pytest.mark.parametrize(("token", "warnings"), [("canary-with-15-", 1), ("canary-with-16--", 0)])
def test_a_token_that_is_soon_guessed_is_warned_of_at_the_start(token: str, warnings: int, tmp_path: Path) -> None:
    env = {"HOST": "0.0.0.0", "AUTH_TOKENS": f"a-long-and-good-token,{token}", "DATABASE_URL": AWAY.format(port=1)}
    with started(("serve",), tmp_path, **env) as program:
        program.expect("api_started", within_s=60)
        program.end(signal.SIGTERM, within_s=60)
        assert program.output.count("AUTH_TOKENS: a token has fewer than 16 characters") == warnings
        assert CANARY not in program.output
