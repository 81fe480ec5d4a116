"""`rowline top`, on a terminal and for scripts."""

import re
import signal
from pathlib import Path

import pytest

from tests.support import databases, raw
from tests.support.clusters import PYTHON, Program
from tests.support.commands import lines, said

SCRIPT = Path(PYTHON[0]).with_name("rowline")


def started(api: str, **env: str) -> Program:
    place = {"DATABASE_URL": "", "ROWLINE_URL": api, "ROWLINE_TOKEN": raw.TOKEN, "COLUMNS": "80", "LINES": "24"}
    return Program(
        [SCRIPT, "top", "--interval", "0.5"], env=place | {"TERM": "vt100", "NO_COLOR": "1"} | env, terminal=True
    )


def test_it_is_printed_once_with_what_has_waited_longest_first(api: str, shared_url: str) -> None:
    said(api, "jobs", "add", "new", "n")
    said(api, "jobs", "add", "old\u4e2d" * 20, "n")
    earlier = "run_at = run_at - interval '2 hours', place = place - 7200000000"
    databases.run(shared_url, f"update rowline.jobs set {earlier} where queue like 'old%'")
    said(api, "queues", "pause", "idle")
    head, names, *rows = said(api, "top", "--once").splitlines()
    assert "3 queues  2 ready  0 active" in head
    assert names == "QUEUE".ljust(16) + "  READY ACTIVE  DELAY FAILED  IN/S OUT/S ERR/S OLDEST DRAIN WORK"
    assert [row.split()[0][:4] for row in rows] == ["old\u4e2d", "new", "idle"]
    assert rows[0].split()[1:5] == ["1", "0", "0", "0"]
    assert rows[0].split()[8] == "2h"
    assert "(p)" in rows[2]
    assert [one["name"][:3] for one in lines(api, "top", "--once")] == ["old", "new", "idl"]
    assert "--once" in said(api, "top", code=2)
    assert "--json needs --once" in said(api, "top", "--json", code=2)


@pytest.mark.parametrize("key", ["q", "Q", "\x04", signal.SIGINT, signal.SIGTERM])
def test_it_fits_the_screen_and_leaves_the_terminal_as_it_was(
    api: str, shared_url: str, key: str | signal.Signals
) -> None:
    databases.run(
        shared_url, "select rowline.enqueue('q' || nth || chr(8238), 'n', '1') from generate_series(1, 40) as nth"
    )
    with started(api) as program:
        program.expect("more queues; --pattern shows others")
        program.expect("more queues; --pattern shows others")
        if isinstance(key, str):
            program.type(key)
        assert program.end(key if isinstance(key, signal.Signals) else None) in {0, 143}
    screens = program.output.split("\x1b[H")[1:]
    for screen in screens[:-1]:
        drawn = re.sub(r"\x1b\[\??\w*[A-Za-z]", "", screen).split("\r\n")
        assert len(drawn) <= 24
        assert all(len(line.rstrip("\r\n")) <= 80 for line in drawn)
    assert program.output.count("\x1b[?1049h") == program.output.count("\x1b[?1049l") == 1
    assert program.output.rstrip().endswith("\x1b[?1049l")
    assert "\u202e" not in program.output
    assert not re.search(r"\x1b\[\d+m", program.output)
    assert "Traceback" not in program.output


def test_a_service_that_goes_away_is_waited_for(shared_url: str) -> None:
    with raw.server(shared_url) as server:
        url = f"http://127.0.0.1:{server.port}"
        with started(url) as program:
            program.expect("queues ")
            server.program.end(signal.SIGTERM)
            program.expect("trying again")
            program.type("q")
            assert program.end() == 0
