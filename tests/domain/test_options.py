"""The table of options, and what has to name each of them once more: here it is said what is missing, and where."""

import dataclasses
import inspect

import rowline

from app.domain.job import NewJob
from app.domain.options import OPTIONS, STORED


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
