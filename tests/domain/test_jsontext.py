"""Which JSON is kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import jsontext
from app.domain.jsontext import DEPTH_MAX, DIGITS_MAX, UnstorableJson
from tests.support import json_texts

DEEP = f"must not be nested deeper than {DEPTH_MAX}"
LONG = f"must not contain an integer of more than {DIGITS_MAX} digits"
SURROGATE = "must not contain a lone surrogate"
NUL = "must not contain \\u0000"


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@given(json_texts.texts)
def test_any_json_is_kept_to_the_letter(text: str) -> None:
    assert jsontext.whole(text) == text


@given(json_texts.texts, json_texts.space, st.sampled_from(["", ",", "]", " x", "}"]))
def test_a_scan_ends_where_the_value_ends(text: str, space: str, rest: str) -> None:
    before = f"[{space}"

    value, end = jsontext.scan(f"{before}{text}{space}{rest}", len(before))

    assert end == len(before) + len(text)
    assert value == json.loads(text)


@pytest.mark.parametrize("text", ["[1]", '"x"', "{}", "0", "null"])
@pytest.mark.parametrize("space", [" ", "\t", "\r\n"])
def test_white_space_may_follow_a_value(text: str, space: str) -> None:
    assert jsontext.whole(text + space) == text + space


@pytest.mark.parametrize("rest", ["x", ",", "1", "]", "\u00a0", "\x0b", "\ufeff", "null"])
def test_nothing_else_may_follow_a_value(rest: str) -> None:
    with pytest.raises(UnstorableJson, match="is not JSON: extra data at character 3"):
        jsontext.whole(f"[1]{rest}")


@pytest.mark.parametrize(
    "text", ["", " ", "x", "[", "{", '"', "[1,]", "{,}", "01", "1.", ".5", "+1", "'a'", '"\n"', "-"]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(UnstorableJson, match=r"^is not JSON"):
        jsontext.whole(text)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"a":{}}}', "[1,[{},2]]"])
def test_words_that_json_does_not_have_are_refused(word: str, around: str) -> None:
    with pytest.raises(UnstorableJson, match=f"^must not contain {word}$"):
        jsontext.whole(around.format(word))


@pytest.mark.parametrize("depth", [1, DEPTH_MAX - 1, DEPTH_MAX])
def test_values_may_be_nested_up_to_the_limit(depth: int) -> None:
    assert jsontext.whole(_nested(depth)) == _nested(depth)
    assert jsontext.whole('{"a":' * depth + "1" + "}" * depth)


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 500, 1_000, 10_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ('{"[":[', "]}")])
def test_values_may_not_be_nested_deeper(opening: str, closing: str, depth: int) -> None:
    text = f"{opening * depth}1{closing * depth}"

    with pytest.raises(UnstorableJson, match=DEEP):
        jsontext.whole(text)


@pytest.mark.parametrize("text", ["[" * 1_000, json.dumps("[" * 1_000), json.dumps(["{[" * 200, {"[" * 200: 1}])])
def test_brackets_in_strings_and_side_by_side_are_no_nesting(text: str) -> None:
    beside = f"[{','.join(['[[]]'] * 1_000)}]"

    assert jsontext.whole(beside) == beside
    assert jsontext.whole(json.dumps(text))


@pytest.mark.parametrize("digits", [1, DIGITS_MAX - 1, DIGITS_MAX])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_may_have_digits_up_to_the_limit(sign: str, digits: int) -> None:
    assert jsontext.whole(f'[{{"a":{sign}{"9" * digits}}}]')


@pytest.mark.parametrize("digits", [DIGITS_MAX + 1, 4_300, 4_301, 100_000])
@pytest.mark.parametrize("around", ["{}", "-{}", "[1,{}]", '{{"a":{{"b":{}}}}}', '{{"a":{},"a":1}}'])
def test_an_integer_may_not_have_more_digits(around: str, digits: int) -> None:
    with pytest.raises(UnstorableJson, match=LONG):
        jsontext.whole(around.format("1" + "0" * (digits - 1)))


@pytest.mark.parametrize("text", ["0." + "1" * 2_000, "1" * 1_001 + "e1", f'"{"1" * 2_000}"', f'{{"{"1" * 2_000}":1}}'])
def test_the_digits_of_other_values_are_not_counted(text: str) -> None:
    assert jsontext.whole(text) == text


@pytest.mark.parametrize(
    ("string", "fault"),
    [
        *((lone, SURROGATE) for lone in ("\\ud800", "\\udfff", "\\uDC00\\uD800", "a\\ud83d", "\\ud83dx\\ude00")),
        *((null, NUL) for null in ("\\u0000", "a\\u0000b", "\\\\\\u0000")),
    ],
)
@pytest.mark.parametrize(
    "around", ['"{}"', '["{}"]', '{{"a":"{}"}}', '{{"{}":1}}', '{{"a":["{}"],"a":1}}', '[[{{"{}":1}}]]']
)
def test_strings_that_cannot_be_read_back_are_refused_anywhere(around: str, string: str, fault: str) -> None:
    with pytest.raises(UnstorableJson) as caught:
        jsontext.whole(around.format(string))

    assert str(caught.value) == fault


@pytest.mark.parametrize("string", ["\\ud83d\\ude00", "\\\\u0000", "\\\\ud800", "\\u0001", "\\uffff", "\x7f", "\ue000"])
def test_strings_that_only_look_so_are_kept(string: str) -> None:
    assert jsontext.whole(f'"{string}"') == f'"{string}"'
