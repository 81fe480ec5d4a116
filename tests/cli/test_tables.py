"""Tables on terminals: no id, status or heading is broken."""

import json
from pathlib import Path

from tests.support import databases
from tests.support.clusters import PYTHON, Program
from tests.support.commands import said

SCRIPT = Path(PYTHON[0]).with_name("rowline")


def seen(url: str, *words: str, columns: int) -> str:
    """Return what a person sees on a terminal so wide."""
    env = {"DATABASE_URL": url, "COLUMNS": str(columns), "LINES": "25", "TERM": "dumb"}  # rich asks for both
    with Program([SCRIPT, *words], env=env, terminal=True) as program:
        assert program.end() == 0
        return program.output.replace("\r", "")


def test_a_table_that_does_not_fit_is_a_block_of_lines_for_each_row(own_url: str) -> None:
    databases.run(own_url, "select rowline.enqueue('mail', 'n', '1'), rowline.enqueue('other', 'n', '1')")
    made = json.loads(said(own_url, "plans", "make", "mail", "remove", "--status", "waiting", "--json"))
    lines = [line.split(maxsplit=1) for line in seen(own_url, "plans", "list", "mail", columns=80).splitlines()]
    for line in (["plans"], ["id", made["id"]], ["action", "remove"], ["filter", '{"statuses":["waiting"]}']):
        assert line in lines
    assert lines.count(["matched", "1"]) == 1
    assert not [line for line in lines if line[:1] == ["skipped"]]  # there are none

    listed = [line.split() for line in seen(own_url, "queues", "list", columns=80).splitlines()]
    assert [line for line in listed if "queue" in line] == [["queue", "mail"], ["queue", "other"]]
    assert listed.count(["prioritized", "0"]) == 2
    for report in ("queues", "jobs"):
        assert max(map(len, seen(own_url, "report", report, columns=80).splitlines())) <= 80


def test_a_table_that_fits_is_a_table(own_url: str) -> None:
    databases.run(own_url, "select rowline.enqueue('mail', 'n', '1')")
    wide = seen(own_url, "queues", "list", columns=400)
    assert [line.split()[:2] for line in wide.splitlines() if "mail" in line] == [["mail", "1"]]


def test_lines_of_a_table_in_a_file_are_as_long_as_they_have_to_be(own_url: str) -> None:
    databases.run(own_url, "select rowline.enqueue('mail', 'n', '1')")
    ids = json.dumps([str(10**17 + number) for number in range(50)])
    databases.run(own_url, f"select rowline.enqueue('mail', 'n', '{ids}')")
    words = [word for number in json.loads(ids) for word in ("--id", number)]
    said(own_url, "plans", "make", "mail", "remove", *words)
    [row] = [line for line in said(own_url, "plans", "list", "mail").splitlines() if "planned" in line]
    assert all(number in row for number in json.loads(ids))
