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

    assert not jsontext.is_deeper(_depth(value), text.encode())
    assert jsontext.is_deeper(_depth(value) - 1, text.encode()) or not _depth(value)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 9, 20, 100])
def test_towers_side_by_side_are_as_deep_as_one(width: int) -> None:
    tower = "[" * width + "]" * width
    text = "[" * (128 - width) + ",".join([tower] * 5_000) + "]" * (128 - width)

    assert not jsontext.is_deeper(128, text.encode())
    assert jsontext.is_deeper(127, text.encode())


@pytest.mark.parametrize("string", ['"[[', '\\\\"[', "\\\\\\", '{"a', "é[\\n"])
def test_brackets_in_long_strings_never_count(string: str) -> None:
    text = json.dumps([[string * 30_000], "[" * 100_000, [[[string]]]])

    assert not jsontext.is_deeper(4, text.encode())
    assert jsontext.is_deeper(3, text.encode())


def test_a_long_look_gives_way_now_and_then() -> None:
    rests: list[None] = []

    jsontext.check(json.dumps([{"": []}] * 100_000).encode(), give_way=lambda: rests.append(None))

    assert len(rests) > 10


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
