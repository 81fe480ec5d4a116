"""`rowline jobs list`, as a person calls it."""

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.main import rowline
from app.domain.job import JsonText
from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from tests.support import work
from tests.support.jobs import new


@pytest.fixture
def mine(own_url: str) -> Database:
    """A queue with a job that failed, one with a tag, and many others; and a job of another queue."""
    db = Database(Settings(database_url=own_url), url=own_url, size=4, name="rowline-test")
    data = JsonText('{"customer": {"id": 42}}')
    jobs.submit_many(db, queue="mail", new=[new("failing", data=data)])
    work.fail_next(db, queue="mail", reason="timeout  after\x1b 3 s")
    jobs.submit_many(db, queue="mail", new=[new("tagged", tags=["vip", "eu"], data=data)])
    jobs.submit_many(db, queue="mail", new=[new("plain")] * 250)
    jobs.submit_many(db, queue="other", new=[new("tagged", tags=["vip"])])
    return db


def run(url: str, *words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(rowline, ["jobs", "list", *words], env={"DATABASE_URL": url}, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def shown(url: str, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(url, *words, "--json").stdout.splitlines()]


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--status", "failed"), ["failing"]),
        (("--status", "failed", "--status", "waiting", "--data", "customer.id=42"), ["tagged", "failing"]),
        (("--error", "timeout", "--since", "1h", "--finished-since", "1h"), ["failing"]),
        (("--tag", "eu", "--tag", "vip"), ["tagged"]),
        (("--name", "tagged"), ["tagged"]),
        (("--status", "failed", "--since", "2026-01-01", "--finished-since", "2026-01-01T00:00:00Z"), ["failing"]),
        (("--status", "failed", "--finished-until", "2026-01-01"), []),
        (("--worker", work.WORKER), ["failing"]),
        (("--data", "customer.id=42", "--oldest-first"), ["failing", "tagged"]),
        (("--data", "customer.id="), []),
    ],
)
def test_jobs_are_found(own_url: str, words: tuple[str, ...], names: list[str]) -> None:
    found = shown(own_url, "mail", *words)
    assert [job["name"] for job in found] == names


@pytest.mark.usefixtures("mine")
def test_a_line_says_what_a_job_is_and_standard_error_how_far_it_looked(own_url: str) -> None:
    result = run(own_url, "mail", "--error", "timeout")
    line = re.sub(r"at \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "at TIME", result.stdout)
    reason = "timeout \N{REPLACEMENT CHARACTER}after\N{REPLACEMENT CHARACTER} 3 s"
    assert line == f"1  failed  failing  attempts made 1  at TIME  {reason}\n"
    assert result.stderr == "looked at 252 jobs; these are all that match\n"
    assert run(own_url, "--name", "tagged").stdout.splitlines()[0].startswith("other  ")


@pytest.mark.usefixtures("mine")
def test_a_search_that_takes_long_says_how_far_it_is_and_its_end_once(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.jobs.TOLD_S", 0.0)
    lines = run(own_url, "mail", "--limit", "150").stderr.splitlines()
    assert lines == ["looked at 100 jobs; going on", "looked at 150 jobs; there may be more"]
    lines = run(own_url, "mail", "--limit", "1000").stderr.splitlines()
    assert lines[-2:] == ["looked at 200 jobs; going on", "looked at 252 jobs; these are all that match"]
    assert run(own_url, "nosuch").stderr == "looked at 0 jobs; none matches\n"


@pytest.mark.usefixtures("mine")
def test_it_goes_on_to_the_limit_or_the_end(own_url: str) -> None:
    assert len(run(own_url, "mail", "--name", "plain").stdout.splitlines()) == 20
    assert len(run(own_url, "mail", "--name", "plain", "--limit", "230").stdout.splitlines()) == 230
    assert "there may be more" in run(own_url, "mail", "--limit", "230").stderr
    everything = run(own_url, "--limit", "1000")
    assert len(everything.stdout.splitlines()) == 253
    assert "these are all that match" in everything.stderr
    assert run(own_url, "nosuch").stderr == "looked at 0 jobs; none matches\n"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("mail", "--status", "nope"), "is not one of"),
        (("mail", "--data", "customer.id"), "must look like customer.id=42"),
        (("mail", "--data", "customer..id=1"), "must be keys, or indexes of arrays, with dots between them"),
        (("mail", "--error", ""), "must not be empty"),
        (("mail", "--tag", "\udc80"), "must not contain lone surrogates"),
        (("mail", "--since", "yesterday"), "is not a time such as 24h, 2026-11-27"),
        (("mail", "--since", "2026-13-01"), "is not a time such as 24h, 2026-11-27"),
        (("mail", "--since", "1971-01-01"), "is before 1974"),
        (("mail", "--data", "lines[0].sku=1"), "has an index in brackets: write lines.0.sku"),
        (("a/b",), "must not contain '/'"),
    ],
)
def test_what_cannot_be_looked_for_is_said_in_a_line(own_url: str, words: tuple[str, ...], fault: str) -> None:
    assert fault in run(own_url, *words, code=2).output


def test_a_path_that_begins_as_the_parameter_of_the_api_is_explained_if_nothing_is_found(own_url: str) -> None:
    said = "a path begins within the data"
    assert said in run(own_url, "mail", "--data", "data.customer.id=1").output
    assert said not in run(own_url, "mail", "--data", "customer.id=1").output
