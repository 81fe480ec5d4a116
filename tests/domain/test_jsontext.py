"""How deep JSON is nested, and where work gives way."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain import jsontext

NESTED = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('a"\\[]{}:,é'), max_size=4),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=3), inside, max_size=4),
    max_leaves=40,
)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


@given(NESTED, st.integers(0, 30), st.booleans())
def test_the_depth_of_json_is_that_of_what_it_means(value: object, more: int, are_spaced: bool) -> None:  # noqa: FBT001 - drawn
    for _ in range(more):
        value = [value, []]
    text = json.dumps(value, separators=None if are_spaced else (",", ":"))

    assert jsontext.depth(text.encode()) == _depth(value)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 9, 20, 100])
def test_towers_side_by_side_are_as_deep_as_one(width: int) -> None:
    tower = "[" * width + "]" * width
    text = "[" * (128 - width) + ",".join([tower] * 5_000) + "]" * (128 - width)

    assert jsontext.depth(text.encode()) == 128


@pytest.mark.parametrize("string", ['"[[', '\\\\"[', "\\\\\\", '{"a', "é[\\n"])
def test_brackets_in_long_strings_never_count(string: str) -> None:
    text = json.dumps([[string * 30_000], "[" * 100_000, [[[string]]]])

    assert jsontext.depth(text.encode()) == 4


def test_a_long_look_gives_way_now_and_then() -> None:
    rests: list[None] = []

    jsontext.check(json.dumps([{"": []}] * 100_000).encode(), give_way=lambda: rests.append(None))

    assert len(rests) > 10


STRINGS = st.lists(st.text(st.sampled_from('a"\\,[]{}: \n\x00é') | st.characters(categories=["Cs"]), max_size=5))


@given(STRINGS, st.sampled_from([",", " ,\n"]), st.booleans())
def test_an_array_of_strings_is_read_as_lines_whatever_is_in_them(lines: list[str], comma: str, is_ascii: bool) -> None:  # noqa: FBT001 - drawn
    text = json.dumps(lines, separators=(comma, ":"), ensure_ascii=is_ascii or not "".join(lines).isprintable())
    line = jsontext.lines(text.encode())

    assert line is not None
    assert json.loads(line) == "\n".join(json.loads(text))


@given(NESTED)
def test_nothing_else_is_lines(value: object) -> None:
    is_lines = isinstance(value, list) and all(isinstance(one, str) for one in value)

    assert (jsontext.lines(json.dumps(value).encode()) is not None) == is_lines


@given(st.text(st.sampled_from("\\udD8"), max_size=12), st.integers(0, 12))
def test_whole_characters_leave_every_byte_in_its_place(text: str, before: int) -> None:
    sent = b" " * (jsontext.PIECE - before) + text.encode()
    whole = jsontext.whole_characters(sent, lambda: None)

    assert len(whole) == len(sent)
    assert b"\\ud" not in whole
    assert b"\\uD" not in whole


ESCAPES = ["\\ud83d", "\\uDE00", "\\u00e9", "\\\\", "\\n", '\\"', "ud83d", "de00", " "]


@given(st.lists(st.sampled_from(ESCAPES)).map("".join))
@example("\\ud83d\\\\\\ude00")
@example("\\\\ud83d\\\\ude00")
@example("\\ud83d\\\\ude00")
@example("\\\\\\ude00")
def test_a_lone_surrogate_is_one_whatever_stands_around_it(inside: str) -> None:
    means = json.loads(f'"{inside}"')

    assert jsontext.has_lone_surrogate(f'["{inside}"]'.encode()) == any("\ud800" <= one <= "\udfff" for one in means)
