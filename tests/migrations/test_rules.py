"""The rules of `migrations/README.md`, held over every revision."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from app.postgres import schema
from app.postgres.schema import MIGRATIONS, Revision
from tests.support.clusters import PYTHON

SQUAWK = Path(PYTHON[0]).with_name("squawk")
OLDEST_POSTGRES = "15"
BOUNDED = "each integer has a CHECK or a writer that keeps it far from 2^31"
EXCEPTIONS = {
    "0001": {"prefer-bigint-over-int": BOUNDED, "prefer-text-field": "Alembic makes its own table"},
    "0003": {
        "prefer-bigint-over-int": BOUNDED,
        "ban-drop-constraint": "a looser check takes its place in the same transaction",
    },
    "0004": {"prefer-bigint-over-int": BOUNDED},
    "0005": {"prefer-bigint-over-int": "what one statement changes is at most what one request holds"},
    "0006": {
        "prefer-robust-stmts": "what a killed run left of an index is dropped before; views come in one transaction"
    },
    "0008": {"prefer-robust-stmts": "what a killed run left of the index is dropped before"},
    "0009": {"ban-drop-constraint": "a check that says the same takes their place in the same statement"},
    "0012": {"ban-drop-constraint": "what a killed run left of it is dropped before"},
    "0016": {"prefer-bigint-over-int": BOUNDED},
    "0017": {"constraint-missing-not-valid": "only queues that set something have a row, and none does yet"},
    "0019": {
        "ban-drop-constraint": "a check that says more takes its place in the same statement",
        "ban-drop-function": "only that check has called it",
    },
    "0021": {"prefer-robust-stmts": "what a killed run left of the index is dropped before"},
    "0022": {
        "ban-drop-constraint": "a check that allows more takes its place in the same transaction",
        "constraint-missing-not-valid": "the table of options has a row for each option",
        "prefer-robust-stmts": "what a killed run left of the index is dropped before",
    },
    "0024": {
        "ban-drop-constraint": "a check that says more takes its place in the same statement",
        "ban-drop-function": "only that check has called it",
        "prefer-robust-stmts": "what a killed run left of the index is dropped before",
    },
    "0025": {"prefer-bigint-over-int": BOUNDED},
    "0032": {"prefer-robust-stmts": "what a killed run left of the indexes is dropped before"},
    "0035": {"prefer-bigint-over-smallint": "there are 13 slots", "prefer-bigint-over-int": BOUNDED},
    "0037": {"prefer-bigint-over-int": "what waits or runs of a minute one bucket has"},
    "0042": {
        "ban-drop-constraint": "a check and triggers that say the same take their place in the same transaction",
        "ban-drop-function": "only that check has called it",
    },
    "0043": {
        "ban-drop-constraint": "a trigger that says the same takes its place in the same transaction",
        "ban-drop-function": "only that check and the triggers have called them",
    },
    "0044": {"prefer-bigint-over-int": "as in the jobs that it keeps"},
    "0045": {"prefer-robust-stmts": "what a killed run left of the indexes is dropped before"},
}
"""Revision -> rule of squawk -> why it does not hold there."""
STEPS = {"expand", "contract", "stop"}
REVISIONS = schema.revisions()
DESTRUCTIVE = re.compile(r"\b(drop table|drop column|drop view|rename (column|to)|set not null|alter column \w+ type)")


def sql_of(revision: Revision) -> str:
    at = REVISIONS.index(revision)
    return schema.sql(since=REVISIONS[at - 1].name if at else "base", revision=revision.name)


def squawk(sql: str) -> set[str]:
    """Return the rules that squawk finds broken."""
    words: list[str | Path] = [
        SQUAWK,
        "--reporter",
        "json",
        "--pg-version",
        OLDEST_POSTGRES,
        "--stdin-filepath",
        "a.sql",
    ]
    ran = subprocess.run(words, input=sql, capture_output=True, text=True, check=False)
    return {one["rule_name"] for one in json.loads(ran.stdout)}


each_revision = pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)


@each_revision
def test_squawk_finds_nothing_but_what_is_excused(revision: Revision) -> None:
    assert squawk(sql_of(revision)) == set(EXCEPTIONS.get(revision.name, {}))


def test_squawk_would_find_an_index_that_is_made_under_a_lock() -> None:
    assert "require-concurrent-index-creation" in squawk("create index i on rowline.jobs (name);")


@each_revision
def test_the_sql_that_is_printed_is_the_sql_that_is_run(revision: Revision) -> None:
    """The driver's way with parameters would have each percent sign twice."""
    assert "%%" not in sql_of(revision)


@each_revision
def test_every_migration_bounds_its_waits_and_its_statements_and_says_where_names_are_looked_up(
    revision: Revision,
) -> None:
    before, _, _ = sql_of(revision).partition("BEGIN;")
    assert "set search_path = pg_catalog, pg_temp;" in before
    assert re.search(r"set lock_timeout = '1000ms';\s+set statement_timeout = '\d+ms';", before)


@each_revision
def test_every_revision_says_what_kind_of_step_it_is_and_who_can_use_what_it_leaves(revision: Revision) -> None:
    at = REVISIONS.index(revision)
    before = REVISIONS[max(at - 1, 0)]

    assert revision.step in STEPS
    assert before.oldest <= revision.oldest <= revision.name, "nobody who was shut out comes in again"
    assert (revision.oldest == revision.name) == (revision.step == "stop" or at == 0)
    assert revision.step != "expand" or at == 0 or revision.oldest == before.oldest, "it shuts nobody out"


@each_revision
def test_a_step_that_expands_takes_nothing_away(revision: Revision) -> None:
    if revision.step == "expand":
        run = re.sub(r"\$\$.*?\$\$", "", sql_of(revision).lower(), flags=re.DOTALL)  # without the bodies of functions
        assert not DESTRUCTIVE.search(run)


@each_revision
def test_an_index_on_a_table_that_is_there_is_made_beside_the_work_and_anew_after_a_kill(revision: Revision) -> None:
    text = sql_of(revision).lower()
    for name in re.findall(r"create (?:unique )?index concurrently (?:if not exists )?(\w+)", text):
        dropped = text.find(f"drop index concurrently if exists rowline.{name}")
        assert 0 <= dropped < text.index(f"index concurrently {name} on"), "a broken one has to go first"


def test_there_is_one_head_and_one_line_that_leads_to_it() -> None:
    names = [revision.name for revision in REVISIONS]
    assert names == sorted(names)
    assert schema.head() == names[-1]


def test_the_rules_are_written_down() -> None:
    rules = (MIGRATIONS / "README.md").read_text()
    assert all(f"`{word}`" in rules for word in (*STEPS, "oldest", "lock_timeout", "statement_timeout"))
