"""What commands print: for people, for programs, and nothing that controls a terminal."""

import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from app.cli import jsontext, main, output
from app.postgres.database import Database
from app.queries import events
from tests.support import databases, raw, work
from tests.support.clusters import PYTHON, Program
from tests.support.commands import environ, lines, said

SCRIPT = Path(PYTHON[0]).with_name("rowline")
EVIL = "\x1b]0;owned\x07\x9b31m\u202eevil"


def typing(api: str, *words: str, **env: str) -> Program:
    """Run a command on a terminal."""
    place = {"DATABASE_URL": "", "ROWLINE_URL": api, "ROWLINE_TOKEN": raw.TOKEN, "COLUMNS": "500", "TERM": "xterm"}
    return Program([SCRIPT, *words], env=place | env, terminal=True)


def test_ids_of_one_command_are_what_another_one_takes(api: str) -> None:
    for nth in range(3):
        said(api, "jobs", "add", "mail", "n", "--job-id", f"j{nth}")
    ids = said(api, "jobs", "list", "mail", "-q")
    assert ids.splitlines() == ["j2", "j1", "j0"]
    told = said(api, "jobs", "cancel", "mail", "-", given=f"{ids}\n\n")
    assert told == "would cancel 3 jobs of 'mail': j2, j1, j0. Nothing is changed: give --yes"
    [meant] = lines(api, "jobs", "cancel", "mail", "j1", "j0")
    assert meant == {"queue": "mail", "ids": ["j1", "j0"], "matched": 2, "isExact": True, "done": 0}
    program = [str(SCRIPT), "jobs", "cancel", "mail", "j1", "j0", "-q"]
    printed = subprocess.run(program, env=os.environ | environ(api), capture_output=True, check=True)
    assert (printed.stdout, b"would cancel" in printed.stderr) == (b"", True)
    assert lines(api, "queues", "show", "mail")[0]["counts"]["waiting"] == 3
    said(api, "jobs", "cancel", "mail", "-", "j2", "--yes", given=ids)
    assert lines(api, "queues", "show", "mail")[0]["counts"]["failed"] == 3
    shown = said(api, "jobs", "show", "mail", "j0", "j1", "--json").splitlines()
    assert [json.loads(line)["id"] for line in shown] == ["j0", "j1"]


def test_what_is_refused_of_one_job_does_not_keep_the_others_from_it(api: str) -> None:
    for job_id in ("a", "b"):
        said(api, "jobs", "add", "mail", "n", "--job-id", job_id)
    said(api, "jobs", "cancel", "mail", "a")
    told = said(api, "jobs", "cancel", "mail", "absent", "a", "b", "--yes", "-q", code=3)
    assert "queue 'mail' has no job 'absent'" in told
    assert told.splitlines()[-1] == "b"
    assert said(api, "jobs", "remove", "mail", "a", "b", "--yes", "-q").splitlines() == ["a", "b"]


@pytest.mark.parametrize("given", ["a/b\n", "a\x1bb\n", "x" * 256])
def test_what_is_no_id_on_standard_input_is_refused_before_anything_is_done(api: str, given: str) -> None:
    told = said(api, "jobs", "cancel", "mail", "-", "--yes", code=2, given=f"mine\n{given}")
    assert "standard input has" in told


def test_many_ids_of_standard_input_make_a_plan(api: str) -> None:
    for nth in range(3):
        said(api, "jobs", "add", "mail", "n", "--job-id", f"j{nth}")
    made = lines_of(said(api, "plan", "mail", "cancel", "--id", "-", "--json", given="j0\nj2\n"))
    assert (made["matched"], made["filter"]) == (2, {"ids": ["j0", "j2"]})
    done = lines_of(said(api, "plan", "mail", "cancel", "--id", "j1", "--yes", "--wait", "--json"))
    assert (done["status"], done["done"]) == ("applied", 1)


def lines_of(text: str) -> dict[str, object]:
    return dict(json.loads(text.splitlines()[0]))


def test_drain_and_clean_only_say_what_they_would_remove_until_they_are_told_yes(api: str) -> None:
    for delay in ("0", "3600000"):
        said(api, "jobs", "add", "mail", "n", "--delay", delay)
    told = "Nothing is changed: give --yes"
    assert said(api, "queues", "drain", "mail") == f"1 waiting and prioritized jobs of 'mail' would be removed. {told}"
    delayed = "waiting, prioritized and delayed"
    assert said(api, "queues", "drain", "mail", "--delayed") == f"2 {delayed} jobs of 'mail' would be removed. {told}"
    aged = said(api, "queues", "clean", "mail", "--status", "waiting", "--grace", "1h")
    assert aged == f"at most 1 waiting jobs of 'mail' would be removed. {told}"
    assert lines(api, "queues", "drain", "mail") == [{"queue": "mail", "matched": 1, "isExact": True, "done": 0}]
    [bound] = lines(api, "queues", "clean", "mail", "--status", "waiting", "--grace", "1h")
    assert (bound["matched"], bound["isExact"]) == (1, False)
    assert said(api, "queues", "clean", "mail", "--status", "delayed", "--yes").startswith("1 jobs removed")
    assert said(api, "queues", "drain", "mail", "--yes").startswith("1 jobs removed")


def test_log_lines_are_printed_without_what_could_control_the_terminal(api: str, server: raw.Server) -> None:
    said(api, "jobs", "add", "mail", "n", "--job-id", "mine")
    [claimed] = server.ask(raw.request("POST", "/queues/mail/jobs/claim", body=b"{}"), wanted=1)
    token = claimed.json()["jobs"][0]["token"]
    for nth in range(3):
        body = json.dumps(f"{nth} {EVIL}").encode()
        server.ask(raw.request("POST", "/queues/mail/jobs/mine/logs", body=body, token=token), wanted=1)
    shown = said(api, "jobs", "logs", "mail", "mine").splitlines()
    assert [line[:2] for line in shown] == ["0 ", "1 ", "2 "]
    assert not {*"\x1b\x07\x9b\u202e"} & {*"".join(shown)}
    assert said(api, "jobs", "logs", "mail", "mine", "--last", "1").startswith("2 ")
    assert lines(api, "jobs", "logs", "mail", "mine")[0] == f"0 {EVIL}"


def test_what_clients_sent_never_reaches_the_terminal_as_it_is(api: str) -> None:
    data = json.dumps({"text": EVIL})
    opts = ("--tag", EVIL, "--delay", "3600000", "--job-id", "mine")
    said(api, "jobs", "add", "mail", EVIL, "--data", data, *opts)
    said(api, "queues", "pause", "mail", "--reason", EVIL)
    said(api, "schedulers", "set", "mail", "nightly", "--every", "1h", "--name", EVIL, "--paused")
    said(api, "tokens", "create", "--scopes", "jobs:read", "--name", EVIL)
    said(api, "plans", "make", "mail", "cancel", "--name", EVIL)
    for words in (
        *(("queues", "list"), ("queues", "show", "mail"), ("jobs", "list", "mail"), ("jobs", "show", "mail", "mine")),
        *(("search", "--name", EVIL), ("explain", "mail"), ("explain", "mail", "mine"), ("schedulers", "list", "mail")),
        *(("plans", "list", "mail"), ("tokens", "list"), ("audit", "--queue", "mail")),
    ):
        for more in ((), ("--json",)):
            with typing(api, *words, *more) as program:
                assert program.end() == 0, program.output
            assert "evil" in program.output, words
            assert not {*"\x07\x9b\u202e"} & {*program.output}, words
            assert "]0;owned" not in program.output.replace("\N{REPLACEMENT CHARACTER}]0;", "").replace(
                "\\u001b]0;", ""
            )


def test_json_keeps_its_digits_and_becomes_a_line() -> None:
    assert jsontext.line('{"a" : [1.50,\n 1e400], "b": "x \\" \x9by"}') == '{"a":[1.50,1e400],"b":"x \\" \\u009by"}'


def test_colours_are_left_out_where_nobody_wants_them(api: str) -> None:
    said(api, "jobs", "add", "mail", "n")
    with typing(api, "queues", "list", NO_COLOR="1") as program:
        assert program.end() == 0
    assert "\x1b[3" not in program.output
    assert "\x1b" not in said(api, "queues", "list")


def test_a_table_is_printed_again_until_ctrl_c(api: str) -> None:
    with typing(api, "queues", "list", "--watch") as program:
        program.expect("queues: no rows")
        said(api, "jobs", "add", "mail", "n")
        program.expect("mail")
        assert program.end(signal.SIGINT) == 0
    assert "Traceback" not in program.output
    assert "--watch needs a terminal, or --json" in said(api, "queues", "list", "--watch", code=2)


def test_ctrl_c_while_python_cleans_up_an_object_ends_a_watch_silently() -> None:
    told: list[object] = []

    def command(*, as_json: bool) -> None:
        assert as_json
        cleaned = set[int]()
        kept = weakref.ref(cleaned, lambda _ref: signal.raise_signal(signal.SIGINT))
        del cleaned
        assert kept() is None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", told.append)
        output.watchable(command)(watch=True, as_json=True)
    assert told == []


def test_json_is_watched_without_a_terminal(api: str) -> None:
    env = {"DATABASE_URL": "", "ROWLINE_URL": api, "ROWLINE_TOKEN": raw.TOKEN}
    with Program([SCRIPT, "queues", "show", "mail", "--json", "--watch"], env=env) as program:
        program.expect('"name":"mail"')
        program.expect('"name":"mail"')
        assert program.end(signal.SIGINT) == 0


def test_a_bar_is_for_terminals_alone(api: str) -> None:
    for nth in range(2):
        said(api, "jobs", "add", "mail", "n", "--job-id", f"j{nth}")
    words = ("plan", "mail", "remove", "--name", "n", "--yes", "--wait")
    assert "━" not in said(api, *words)
    said(api, "jobs", "add", "mail", "n")
    with typing(api, *words) as program:
        assert program.end() == 0
    assert "applied" in program.output


def test_a_secret_of_an_endpoint_is_printed_alone(api: str) -> None:
    shown = said(api, "endpoints", "register", "post", "https://example.com/jobs", "--header", "X-Team: a:b")
    assert shown.splitlines()[-1].startswith("whsec_")
    [listed] = lines(api, "endpoints", "list")
    assert (listed["queue"], listed["url"], listed["isOn"]) == ("post", "https://example.com/jobs", True)
    assert said(api, "endpoints", "list", "-q") == "post"
    assert "https://example.com/jobs" in said(api, "endpoints", "list")
    for wrong in (("--header", "nothing"), ("--limiter", "5"), ("--limiter", "a/b")):
        assert "must look like" in (told := said(api, "endpoints", "register", "p", "https://x", *wrong, code=2)) or (
            "does not look like" in told
        )
    assert "endpoint.url" in said(api, "endpoints", "register", "p", "http://127.0.0.1/x", code=2)
    assert lines(api, "endpoints", "show", "post") == [listed]
    assert lines(api, "endpoints", "list", "--pattern", "x*") == []
    assert "on" in said(api, "endpoints", "switch-on", "post").split()
    assert "sent nowhere any more" in said(api, "endpoints", "remove", "post")


def test_over_http_too_it_is_told_which_events_are_not_kept_any_more(api: str, db: Database, shared_url: str) -> None:
    said(api, "jobs", "add", "mail", "n")
    work.fold(db)
    cursor = events.ends(db).newest
    said(api, "jobs", "add", "mail", "n")
    work.fold(db)
    databases.run(shared_url, "delete from rowline.events")
    said(api, "jobs", "add", "mail", "n")
    work.fold(db)
    assert f"of {cursor + 1} to {cursor + 1}: not kept any more" in said(api, "events", "--after", str(cursor))


def test_events_come_over_http_too(api: str) -> None:
    said(api, "jobs", "add", "mail", EVIL, "--job-id", "mine")
    said(api, "jobs", "cancel", "mail", "mine")
    with typing(api, "events", "-f", "--queue", "mail", "--after", "0", "--json") as program:
        told = json.loads(program.expect('"added"'))
        assert (told["id"], told["name"]) == ("mine", EVIL)
        program.expect('"cancelled"')
    kept = lines(api, "events", "--queue", "mail")
    assert next(one["type"] for one in kept if one["queue"] == "mail") == "added"
    shown = said(api, "events", "--queue", "mail", "--type", "added")
    assert "mail/mine" in shown
    assert "\x1b" not in shown


def test_each_command_that_reads_what_changes_by_itself_can_be_watched() -> None:
    reads = {"list", "show", "get", "logs", "runs", "preview"}
    by_hand_alone = {"context list", "context show", "settings show"}

    context = click.Context(main.rowline)

    def found(group: click.Group, *path: str) -> Iterator[tuple[str, set[str]]]:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from found(command, *path, name)
            elif command is not None and name in reads:
                yield " ".join((*path, name)), {one for option in command.params for one in option.opts}

    options = dict(found(main.rowline))
    assert {"tokens list", "schedulers preview", "plans show", "deduplication show"} <= set(options)
    unwatched = {name for name, given in options.items() if "--json" in given and "--watch" not in given}
    assert unwatched == by_hand_alone
