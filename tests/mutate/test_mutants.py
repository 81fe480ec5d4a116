"""The list of mutations: what is done to a statement, to a module, to a script, and which tests are asked."""

from collections import Counter

import pytest

from app.store.statements import whole
from tests.mutate import concerns, python, sql
from tests.support.clusters import ROOT

CLAIM = """-- takes; and where it matters
with next as (
    select number from jobs
    where queue = :queue and run_at between :a and :b and (lifo or place >= 0)
    order by priority, place desc
    limit :limit
    for update skip locked
),
counted as (insert into deltas (queue) select queue from next)
select greatest(number, 1) as number from next where not is_paused or number < 5
"""
UPDATE = "update jobs set status = 'failed', place = -place, reason = case when a and b then 'x' end where id = :id"


def changed(text: str, what: str) -> list[tuple[str, str]]:
    """Return what gives way to what, of the mutations called so."""
    return [(text[edit.start : edit.end], edit.new) for edit in sql.edits(text) if edit.what == what]


@pytest.mark.parametrize(
    ("text", "what", "edits"),
    [
        (CLAIM, "order reversed", [("", " desc"), (" desc", "")]),
        (CLAIM, "limit dropped", [("limit :limit", "")]),
        (CLAIM, "lock dropped", [("for update skip locked", "")]),
        (CLAIM, "skip locked dropped", [("skip locked", "")]),
        (CLAIM, "part dropped", [(",\ncounted as (insert into deltas (queue) select queue from next)", "")]),
        (CLAIM, "not dropped", [("not ", "")]),
        (CLAIM, ">= to >", [(">=", ">")]),
        (CLAIM, "< to <=", [("<", "<=")]),
        (CLAIM, "greatest to least", [("greatest", "least")]),
        (UPDATE, "- to +", [("-", "+")]),
        (UPDATE, "branch dropped", [("a and b", "false")]),
    ],
)
def test_each_kind_of_fault_is_made(text: str, what: str, edits: list[tuple[str, str]]) -> None:
    assert changed(text, what) == edits


def test_each_condition_of_a_statement_is_dropped_alone() -> None:
    assert changed(CLAIM, "predicate dropped") == [
        ("queue = :queue", "true"),
        ("run_at between :a and :b", "true"),
        ("(lifo or place >= 0)", "true"),
        ("not is_paused", "false"),
        ("number < 5", "false"),
    ]
    assert changed(UPDATE, "predicate dropped") == [("a", "true"), ("b", "true"), ("id = :id", "true")]


def test_each_column_and_each_assignment_is_dropped_alone() -> None:
    assert changed(CLAIM, "column dropped") == [
        ("number", "null as number"),
        ("queue", "null as queue"),
        ("greatest(number, 1) as number", "null as number"),
    ]
    assert changed(UPDATE, "assignment dropped") == [
        ("status = 'failed',", ""),
        ("place = -place,", ""),
        (", reason = case when a and b then 'x' end", ""),
    ]


def test_what_a_union_adds_is_dropped_and_words_in_comments_and_texts_are_none() -> None:
    text = "select 1 -- limit 5\nunion all\nselect 'order by x' union all select '<'"
    assert changed(text, "part dropped") == [
        ("union all\nselect 'order by x'", ""),
        ("union all select '<'", ""),
    ]
    assert {edit.what for edit in sql.edits(text)} == {"part dropped", "column dropped"}


def test_a_script_loses_a_statement_at_a_time_and_its_blocks_are_whole() -> None:
    script = "-- who; what\ngrant a to b;\ndo $$\nbegin\n    perform 1;\nend\n$$;\n"
    assert [script[edit.start : edit.end] for edit in sql.dropped_statements(script)] == [
        "grant a to b;",
        "do $$\nbegin\n    perform 1;\nend\n$$;",
    ]


def test_every_statement_has_its_mutants() -> None:
    for file in (ROOT / "app" / "store" / "sql").glob("*/*.sql"):
        text = file.read_text()
        made = [edit.of(text) for edit in sql.edits(text)]
        assert text not in made
        assert max(Counter(made).values(), default=1) == 1
        assert made or file.parent.name == "_fragments" or "insert" in whole(text) or "select" in whole(text)


def test_a_module_is_changed_in_one_place_and_a_star_is_no_product() -> None:
    text = "def f(db, *, limit=1):\n    return g(*db) if limit < 2 * db else -limit\n"
    made = {make() for _, make in python.mutants(text)}
    assert text.replace("<", "<=") in made
    assert text.replace("2 * db", "2 // db") in made
    assert not [one for one in made if "(db, //" in one or "(//db" in one]


def test_every_file_has_tests_that_are_there() -> None:
    files = [
        str(file.relative_to(ROOT))
        for package in ("domain", "operations", "store")
        for file in (ROOT / "app" / package).rglob("*.*")
        if file.suffix in {".py", ".sql"} and file.read_text().count("\n") > 1
    ]
    for path in files:
        assert concerns.tests(path), path
    named = {test.partition("::")[0] for path in files for test in concerns.tests(path)}
    assert not [test for test in named if not (ROOT / test).exists()]
