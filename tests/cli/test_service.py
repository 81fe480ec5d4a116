"""Where commands go, and that they go there with the rights of the token alone."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from app.cli.main import COMMANDS, rowline
from app.local import home
from app.local.home import Facts
from app.postgres.database import Database
from tests.support import databases, raw
from tests.support.commands import lines, said
from tests.support.raw import Server
from tests.support.tokens import issue

ON_THE_MACHINE = {"run", "serve", "work", "dispatch", "dashboard", "db", "docs", "report", "events"}
"""Commands that may use the database. `events` reads it with DATABASE_URL."""
AUDIT = "select actor, action from rowline.audit where queue = 'mail' order by number"


def run(*words: str, code: int = 0, given: str | None = None, **env: Any) -> str:
    """Run a command with nothing said but `env`."""
    result = CliRunner().invoke(rowline, words, env=env, input=given, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output.strip()


@pytest.mark.usefixtures("early_in_a_minute")  # rates are those of whole minutes
def test_a_command_over_http_and_one_on_the_database_print_the_same_json(api: str, shared_url: str) -> None:
    data = '{"b": 1e400, "a": 12345678901234567890.10, "c": "\\u0007x\\u202e"}'
    added = said(api, "jobs", "add", "mail", "n", "--data", data, "--job-id", "mine", "--json")
    assert '"data":{"b":1e400,"a":12345678901234567890.10,"c":"\\u0007x\\u202e"}' in added
    for words in (("jobs", "show", "mail", "mine"), ("queues", "list"), ("jobs", "list", "mail")):
        assert said(api, *words, "--json") == said(shared_url, *words, "--json")


def test_who_has_a_token_needs_no_database_and_has_its_rights_alone(api: str, db: Database) -> None:
    token = issue(db, "jobs:read@mail").secret
    env: dict[str, Any] = {
        "ROWLINE_URL": api,
        "ROWLINE_TOKEN": token,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    said(api, "jobs", "add", "mail", "n", "--data", '"hidden from it"')
    said(api, "jobs", "add", "other", "n")
    assert run("queues", "list", "-q", **env) == "mail"
    assert "hidden from it" not in run("jobs", "list", "mail", "--json", **env)
    refused = run("queues", "pause", "mail", code=4, **env)
    assert refused == "Error: the token lacks the scope queues:manage@mail"
    assert "lacks the scope jobs:read@other" in run("jobs", "list", "other", code=4, **env)
    assert "does not know ROWLINE_TOKEN" in run("queues", code=4, **env | {"ROWLINE_TOKEN": "nonsense"})


def test_on_the_database_the_audit_says_which_account_it_was_and_over_http_which_token(
    api: str, shared_url: str
) -> None:
    said(api, "queues", "pause", "mail")
    said(shared_url, "queues", "resume", "mail")
    (first, paused), (second, resumed) = databases.ask(shared_url, AUDIT)
    assert (first, paused, second[:4], resumed) == ("env:1", "queues.pause", "cli:", "queues.resume")
    assert databases.ask(shared_url, "select address from rowline.audit where actor like 'cli:%'")[-1] == (None,)


@pytest.mark.usefixtures("folder")
def test_without_a_place_to_go_it_says_which_there_could_be() -> None:
    told = run("queues", code=6)
    assert "no service is known: Rowline does not run in" in told
    assert "ROWLINE_URL and ROWLINE_TOKEN, nor a context" in told
    assert "ROWLINE_URL is set, and ROWLINE_TOKEN is not" in run("queues", code=2, ROWLINE_URL="http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["http://u:canary@127.0.0.1", "http://127.0.0.1/?t=canary", "canary"])
@pytest.mark.usefixtures("folder")
def test_a_bad_url_is_a_line_that_shows_nothing_of_it(url: str) -> None:
    for words in (("queues",), ("context", "add", "one", "--url", url)):
        told = run(*words, code=2, ROWLINE_URL=url, ROWLINE_TOKEN="a-token")
        assert "the URL must look like http://127.0.0.1:8080" in told
        assert "canary" not in told


def test_contexts_are_kept_in_a_file_of_ones_own(api: str, folder: Path) -> None:
    run("context", "add", "here", "--url", f"{api}/", given=f"{raw.TOKEN}\n")
    run("context", "add", "away", "--url", "http://127.0.0.1:1", ROWLINE_TOKEN="another", DATABASE_URL="")
    file = folder / "rowline" / "contexts.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    assert run("--context", "here", "queues") == "queues: no rows"
    assert run("queues", ROWLINE_CONTEXT="here") == "queues: no rows"
    assert "no service is known" in run("queues", code=6), "none is in use"
    run("context", "use", "here")
    assert run("context", "show") == f"{api} (the context here, which is in use)"
    assert run("queues") == "queues: no rows"
    listed = [json.loads(line) for line in run("context", "list", "--json").splitlines()]
    assert listed[1] == {"name": "here", "url": api, "inUse": True}
    shown = run("context", "list") + run("context", "list", "-q")
    assert raw.TOKEN not in shown + json.dumps(listed)
    run("context", "remove", "here")
    assert "there is no context 'here'; there are away" in run("--context", "here", "queues", code=3)
    assert run("context", "list", "-q") == "away"
    assert "must have 1 to 100 printable characters" in run("context", "use", "a\x1bb", code=2)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_file_of_contexts_that_others_can_read_or_write_is_refused(folder: Path, mode: int) -> None:
    run("context", "add", "here", "--url", "http://127.0.0.1:1", "--use", given="a-token\n")
    file = folder / "rowline" / "contexts.json"
    file.chmod(mode)
    for words in (("queues",), ("--context", "here", "queues"), ("context", "list"), ("context", "remove", "here")):
        assert f"run `chmod 600 {file}`" in run(*words, code=4)
    assert "a-token" in file.read_text(), "nothing was lost"


@pytest.mark.usefixtures("folder")
def test_a_file_of_contexts_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run("context", "add", "here", "--url", "http://127.0.0.1:1", "--use", given="a-token\n")
    another = os.geteuid() + 1
    monkeypatch.setattr("os.geteuid", lambda: another)
    assert "belongs to another user" in run("queues", code=4)


@pytest.mark.parametrize("text", ["", "[]", '{"contexts": {"a": {}}}', '{"contexts": {"a": 1}}', "\xff"])
def test_what_is_no_file_of_contexts_is_told(folder: Path, text: str) -> None:
    file = folder / "rowline" / "contexts.json"
    file.parent.mkdir()
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)
    assert "is not a file of contexts" in run("queues", code=1)


def test_who_has_a_link_in_its_place_keeps_it(folder: Path) -> None:
    (folder / "rowline").mkdir()
    (folder / "dotfiles").mkdir(mode=0o700)
    (folder / "rowline" / "contexts.json").symlink_to(folder / "dotfiles" / "mine.json")
    run("context", "add", "here", "--url", "http://127.0.0.1:1", given="a-token\n")
    assert (folder / "rowline" / "contexts.json").is_symlink()
    assert stat.S_IMODE((folder / "dotfiles" / "mine.json").stat().st_mode) == 0o600


def test_the_environment_comes_before_the_context_in_use(api: str, shared_url: str, folder: Path) -> None:
    assert folder
    run("context", "add", "away", "--url", "http://127.0.0.1:1", "--use", given="a-token\n")
    mine: dict[str, Any] = {"ROWLINE_URL": api, "ROWLINE_TOKEN": raw.TOKEN}
    assert run("context", "show", **mine) == f"{api} (ROWLINE_URL)"
    assert run("context", "show", **mine, DATABASE_URL=shared_url) == f"{api} (ROWLINE_URL)"
    assert run("context", "show", DATABASE_URL=shared_url).startswith("the database itself, in this process")
    assert run("--context", "away", "context", "show", **mine) == "http://127.0.0.1:1 (the context away)"


def test_the_service_that_runs_on_this_machine_is_found_by_its_home(api: str, folder: Path) -> None:
    with home.hold(folder / "home") as lock:
        lock.store(Facts(os.getpid(), api, "postgresql://nobody@127.0.0.1:1/none", None, raw.TOKEN))
        assert stat.S_IMODE((folder / "home" / "lock").stat().st_mode) == 0o600
        assert run("queues") == "queues: no rows"
        assert "does not know the token" in run("queues", code=4, ROWLINE_TOKEN="of-somebody-else")
    assert "does not run" in run("queues", code=6)
    assert raw.TOKEN not in (folder / "home" / "lock").read_text()


def test_a_command_over_http_imports_neither_the_api_nor_the_database() -> None:
    modules = sorted({module for module, _ in COMMANDS.values()} - ON_THE_MACHINE)
    heavy = {"flask", "marshmallow", "sqlalchemy", "psycopg", "pygal"}
    script = f"import sys, importlib; [importlib.import_module('app.cli.' + one) for one in {modules}]; "
    done = subprocess.run(
        [sys.executable, "-c", f"{script}print({heavy} & {{*sys.modules}})"],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "set()\n"


def test_a_service_that_is_away_is_unavailable(server: Server) -> None:
    env: dict[str, Any] = {"ROWLINE_URL": "http://127.0.0.1:1", "ROWLINE_TOKEN": "a-token"}
    assert server
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.cli.service.TIMEOUT_S", 0.5)
        assert "no response from http://127.0.0.1:1" in run("queues", code=6, **env)


def test_a_database_without_a_service_does_as_the_api_does(own_url: str) -> None:
    said(own_url, "jobs", "add", "mail", "n", "--job-id", "mine")
    said(own_url, "plan", "mail", "remove", "--name", "n", "--yes")
    assert lines(own_url, "plans", "list", "mail")[0]["status"] == "applying", "no service is there to do it"
    with psycopg.connect(own_url) as conn:
        assert conn.execute("select count(*) from rowline.jobs").fetchone() == (1,)


def test_a_context_without_a_token_says_how_to_give_one(folder: Path) -> None:
    assert "first line of standard input" in run("context", "add", "here", "--url", "http://127.0.0.1:1", code=2)
    assert not (folder / "rowline").exists()


def test_where_commands_go_is_said_to_programs_too(folder: Path) -> None:
    del folder
    where = run("context", "show", "--json", ROWLINE_URL="http://127.0.0.1:1", ROWLINE_TOKEN="secret")
    assert json.loads(where) == {"url": "http://127.0.0.1:1", "why": "ROWLINE_URL"}
    on_it = run("context", "show", "--json", DATABASE_URL="postgresql://none")
    assert json.loads(on_it) == {"why": "DATABASE_URL"}


def test_of_a_command_that_there_is_not_it_is_said_which_is_meant() -> None:
    assert "Did you mean 'schedulers'?" in run("schedules", "list", code=2)
    assert "Did you mean" not in run("tail", code=2)
