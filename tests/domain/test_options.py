"""The table of options, and what has to name each of them once more: here it is said what is missing, and where."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import rowline

from app.domain.job import NewJob
from app.domain.options import OPTIONS, STORED, Kind
from app.wire.job import JobSchema

ROOT = Path(__file__).parents[2]
RULES = ROOT / "migrations" / "sql" / "rowline"
TOLD_OTHERWISE = {"returnvalue", "queueQualifiedName"}
"""Members of JobJson that the client leaves: `result` is the same value, and it knows the queue."""


def test_a_new_job_has_a_field_for_each_option_and_its_own_texts_beside() -> None:
    fields = {option.field for option in STORED} | {"name", "data", "opts"}
    assert set(NewJob._fields) == fields, "NewJob in app/domain/job.py"


def test_the_fields_of_options_have_defaults_which_are_what_an_absent_option_means() -> None:
    assert {option.field for option in STORED} <= set(NewJob._field_defaults), "NewJob in app/domain/job.py"


def test_the_client_has_an_argument_for_each_option() -> None:
    named = {field.metadata["option"] for field in dataclasses.fields(rowline.NewJob) if field.metadata}
    assert named == {option.name for option in STORED}, "NewJob in app/rowline/values.py"
    arguments = inspect.signature(rowline.Queue.add).parameters
    fields = {field.name for field in dataclasses.fields(rowline.NewJob)}
    assert set(arguments) - {"self"} == fields, "Queue.add in app/rowline/queue.py"


def test_each_option_has_a_name_of_its_own_and_says_what_it_means() -> None:
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)
    assert all(option.meaning for option in STORED)


def test_the_rules_of_rows_ask_for_each_column_that_an_option_sets() -> None:
    newest = max(RULES.glob("broken_rule_*.sql"), key=lambda path: int(path.stem.rpartition("_")[2]))
    rules = set(re.findall(r"\w+", newest.read_text()))
    # A `Kept` is JSON, of which a rule would read every byte at each insert; who writes one checks it.
    columns = {column for option in STORED if option.kind is not Kind.KEPT for column in option.columns}
    assert columns <= rules, newest


class Noting(dict[str, Any]):
    """A JobJson that notes which members are read."""

    def __init__(self, **members: Any) -> None:
        super().__init__(members)
        self.read = set[str]()

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)


def test_the_client_shows_each_member_of_jobjson() -> None:
    members = JobSchema(queue_prefix="bull").fields
    read = Noting(**dict.fromkeys((name for name, field in members.items() if field.required), ()))
    rowline.JobInfo.of(read)
    assert set(members) - TOLD_OTHERWISE <= read.read, "JobInfo.of in app/rowline/values.py"


def test_the_handbook_names_each_member_of_jobjson_and_each_keyword_of_the_client() -> None:
    docs = ROOT / "app" / "docs"
    jobjson = (docs / "api.md").read_text().partition("\n## JobJson\n")[2].partition("\n## ")[0]
    assert set(JobSchema(queue_prefix="bull").fields) <= set(re.findall(r"`(\w+)`", jobjson)), (
        "JobJson in app/docs/api.md"
    )
    keywords = (docs / "client.md").read_text().partition("\nThe keywords: ")[2].partition(";")[0]
    named = {field.name for field in dataclasses.fields(rowline.NewJob) if field.metadata}
    assert set(re.findall(r"`(\w+)`", keywords)) == named, "The keywords in app/docs/client.md"
