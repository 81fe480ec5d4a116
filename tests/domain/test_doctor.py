"""What the doctor shows of sessions, and from where on something is a finding."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain import diagnosis
from app.domain.doctor import (
    Facts,
    Finding,
    Holder,
    Limits,
    Severity,
    Slot,
    TableState,
    shown_program,
    shown_statement,
    time_ms,
)

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SOUND: dict[str, Any] = {"now": NOW, "notify_s": 0.001, "revision": "0034"}
HOLDER = Holder(
    kind="session",
    name="psql",
    pid=7,
    role="me",
    state="idle in transaction",
    since=NOW,
    held_s=61.0,
    statement="SELECT",
    transactions=9,
)


def found(**facts: Any) -> list[Finding]:
    return diagnosis.findings(Facts(**SOUND | facts), limits=Limits(), release="0034")


def test_of_a_sound_database_nothing_is_found() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("select * from t where name = 'secret'", "SELECT"),
        ("-- a secret\n  -- another\nUPDATE t set a = 1", "UPDATE"),
        ("copy(select 'secret') to stdout", "COPY"),
        ("'secret'", "(another statement)"),
        ("secret", "(another statement)"),
        ("/* secret */ select 1", "(another statement)"),
        ("-- secret", "(another statement)"),
        ("\N{LATIN SMALL LETTER LONG S}elect 'secret'", "(another statement)"),
        ("", "(another statement)"),
        (None, "(another statement)"),
    ],
)
def test_of_a_statement_its_command_is_shown_and_nothing_that_could_be_a_value(query: str | None, shown: str) -> None:
    assert shown_statement(query) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("rowline-worker 0034", "rowline-worker 0034"),
        ("pg_dump", "pg_dump"),
        ("rowline-worker 0034 secret", "(another program)"),
        ("rowline-worker\n", "(another program)"),
        ("secret", "(another program)"),
        ("", "(another program)"),
    ],
)
def test_of_programs_only_those_that_are_known_are_named(name: str, shown: str) -> None:
    assert shown_program(name) == shown


@pytest.mark.parametrize(
    ("value", "ms"),
    [("0", 0), ("10s", 10_000), ("1.5min", 90_000), ("2 h", 7_200_000), ("1d", 86_400_000), ("-1", None), ("3x", None)],
)
def test_a_time_is_read_as_postgresql_reads_it(value: str, ms: float | None) -> None:
    assert time_ms(value) == ms


@pytest.mark.parametrize(
    ("facts", "code", "severity"),
    [
        ({"xid_age": 300_000_000}, "xid_age", Severity.WARNING),
        ({"xid_age": 1_600_000_000}, "xid_age", Severity.BROKEN),
        ({"holders": [HOLDER]}, "old_snapshot", Severity.WARNING),
        ({"slots": [Slot(name="s", is_active=True, wal_status="extended", held_bytes=2**30)]}, "slot_holds_wal", None),
        ({"slots": [Slot(name="s", is_active=False, wal_status="lost", held_bytes=None)]}, "slot_lost", None),
        ({"tables": [TableState(name="t", live_rows=9, dead_rows=9, is_vacuumed=False)]}, "autovacuum_off", None),
        ({"notify_s": None}, "notify_lost", Severity.WARNING),
        ({"pooler": ["the pooler ..."]}, "pooler", Severity.BROKEN),
        ({"settings": {"server_encoding": "LATIN1"}}, "setting", Severity.BROKEN),
    ],
)
def test_what_is_beyond_a_limit_is_found(facts: dict[str, Any], code: str, severity: Severity | None) -> None:
    [finding] = found(**facts)
    assert (finding.code, finding.severity) == (code, severity or Severity.WARNING)


@pytest.mark.parametrize(
    "facts",
    [
        {"xid_age": 299_999_999},
        {"slots": [Slot(name="s", is_active=True, wal_status="reserved", held_bytes=2**30 - 1)]},
        {"slots": [Slot(name="s", is_active=False, wal_status=None, held_bytes=None)]},
        {"tables": [TableState(name="t", live_rows=0, dead_rows=99_999, is_vacuumed=True)]},
        {"tables": [TableState(name="t", live_rows=200_001, dead_rows=100_000, is_vacuumed=True)]},
        {"settings": {"idle_session_timeout": "60000"}},
        {"settings": {"idle_session_timeout": "0"}},
    ],
)
def test_what_is_within_the_limits_is_not_found(facts: dict[str, Any]) -> None:
    assert found(**facts) == []


def test_what_breaks_a_promise_comes_first() -> None:
    order = [one.severity for one in found(settings={"data_checksums": "off", "autovacuum": "off", "fsync": "off"})]
    assert order == [Severity.BROKEN, Severity.WARNING, Severity.HINT]


def test_of_many_names_some_are_listed() -> None:
    [finding] = found(unreadable=[f"q{n}" for n in range(7)])
    assert "q0, q1, q2, q3, q4, and 2 more" in finding.found


def test_every_finding_is_in_the_handbook_with_its_severities() -> None:
    app = Path(__file__).parents[2] / "app"
    page = (app / "docs" / "doctor.md").read_text().partition("## Findings")[2]
    documented = {
        (code, severity)
        for codes, severities in re.findall(r"^\| (`.+?) \| ([a-z, ]+) \|", page, re.MULTILINE)
        for code in re.findall("`([a-z_]+)`", codes)
        for severity in severities.split(", ")
    }
    rules = (app / "domain" / "diagnosis.py").read_text()
    found = {(code, severity) for severity, code in re.findall(r'_(broken|warning|hint)\(\s*"([a-z_]+)"', rules)}
    assert found == documented
