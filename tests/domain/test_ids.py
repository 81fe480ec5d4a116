"""Names of queues and ids of jobs."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain import ids
from app.domain.ids import BIGINT_MAX


@pytest.mark.parametrize("name", ["a", "a:b", "a b", "é", "...", ".a", "a.", " ", "%2F", "a\\b", "\N{GRINNING FACE}"])
def test_an_ordinary_name_has_no_fault(name: str) -> None:
    assert ids.name_fault(name, max_length=5) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "must not be empty"),
        (".", "must not be '.'"),
        ("..", "must not be '..'"),
        ("/", "must not contain '/'"),
        ("a/b", "must not contain '/'"),
        *((f"a{bad}", "must not contain control characters or surrogates") for bad in "\x00\t\n\r\x1f\x7f\x80\x9f"),
        ("\ud800", "must not contain control characters or surrogates"),
    ],
)
def test_a_fault_of_a_name_is_told_as_a_predicate(name: str, fault: str) -> None:
    assert ids.name_fault(name, max_length=5) == fault


@pytest.mark.parametrize(("length", "is_good"), [(1, True), (4, True), (5, True), (6, False)])
@pytest.mark.parametrize("character", ["x", "\N{GRINNING FACE}"])
def test_the_length_of_a_name_is_counted_in_characters(character: str, length: int, is_good: bool) -> None:  # noqa: FBT001
    fault = ids.name_fault(character * length, max_length=5)

    assert fault == (None if is_good else f"must be at most 5 characters, not {length}")


@given(st.text())
def test_no_name_without_a_fault_can_be_mistaken_in_a_path(name: str) -> None:
    if ids.name_fault(name, max_length=255) is None:
        assert f"/queues/{name}/jobs".split("/") == ["", "queues", name, "jobs"]
        assert name.strip(".") or len(name) > 2
        assert name.encode().decode() == name


@pytest.mark.parametrize("custom_id", ["0", "1", "007", "9" * 255, "9" * 300])
def test_digits_alone_are_no_custom_id(custom_id: str) -> None:
    assert ids.custom_id_fault(custom_id) == "must not be made of digits alone (Custom Id cannot be integers)"


@pytest.mark.parametrize("custom_id", ["1a", "-1", "1.0", "1e3", " 1", "\u0661", "\uff11", "\u00b2", "x" * 255])
def test_anything_else_may_be_a_custom_id(custom_id: str) -> None:
    assert ids.custom_id_fault(custom_id) is None


@pytest.mark.parametrize("custom_id", ["", "a/b", ".", "..", "a\n", "x" * 256])
def test_a_custom_id_must_be_able_to_stand_in_a_path(custom_id: str) -> None:
    assert ids.custom_id_fault(custom_id) is not None


@given(st.integers(1, BIGINT_MAX))
@example(1)
@example(BIGINT_MAX)
def test_a_generated_id_reads_back_as_its_number(number: int) -> None:
    assert ids.generated(str(number)) == number


@pytest.mark.parametrize(
    "text", ["", "0", "00", "01", "-1", "+1", "1.0", " 1", "1 ", "1_0", "\u0661", "\uff11", "\u00b2", "a"]
)
def test_no_other_spelling_is_a_generated_id(text: str) -> None:
    assert ids.generated(text) is None


@pytest.mark.parametrize("digits", [str(BIGINT_MAX + 1), "9223372036854775808", "1" + "0" * 19, "9" * 30, "9" * 5_000])
def test_no_number_beyond_the_sequence_is_a_generated_id(digits: str) -> None:
    assert ids.generated(digits) is None


@given(st.text(st.sampled_from("0123456789a.-+ \u0661"), max_size=25))
def test_an_id_is_never_both_generated_and_custom(text: str) -> None:
    assert ids.generated(text) is None or ids.custom_id_fault(text) is not None


@pytest.mark.parametrize(
    ("longest", "most"), [(ids.QUEUE_NAME_MAX, 100), (ids.JOB_NAME_MAX, 255), (ids.JOB_ID_MAX, 255)]
)
def test_names_may_be_as_long_as_the_handbook_says(longest: int, most: int) -> None:
    assert ids.name_fault("n" * most, max_length=longest) is None
    assert ids.name_fault("n" * (most + 1), max_length=longest) == f"must be at most {most} characters, not {most + 1}"
