"""Which JSON is kept, and where values begin and end."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.jsontext import DEPTH_MAX, DIGITS_MAX, UnstorableJson
from app.wire import jsonreader
from tests.support import json_texts

DEEP = f"must not be nested deeper than {DEPTH_MAX}"
LONG = f"must not contain an integer of more than {DIGITS_MAX} digits"
SURROGATE = "must not contain a lone surrogate"
NUL = "must not contain \\u0000"


def whole(text: str) -> str:
    return jsonreader.whole(text.encode())


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@given(json_texts.texts)
def test_any_json_is_kept_to_the_letter(text: str) -> None:
    assert whole(text) == text


@given(json_texts.texts, json_texts.space, st.sampled_from(["", ",", "]", " x", "}"]))
def test_a_value_ends_where_it_ends(text: str, space: str, rest: str) -> None:
    before = f"[{space}"
    raw = f"{before}{text}{space}{rest}".encode()

    end = jsonreader.end_of(memoryview(raw), len(before))

    assert raw[len(before) : end].decode().rstrip(" \t\r\n") == text


@given(st.lists(st.dictionaries(st.text(max_size=3), json_texts.texts, max_size=3), max_size=3), json_texts.space)
def test_the_members_of_objects_are_given_to_the_letter(objects: list[dict[str, str]], pad: str) -> None:
    texts = [
        "{" + f"{pad},".join(f"{json.dumps(name)}{pad}:{pad}{text}" for name, text in one.items()) + "}"
        for one in objects
    ]

    names = frozenset(name for one in objects for name in one if ":" not in name)
    found = jsonreader.objects(f"[{pad}{f'{pad},'.join(texts)}]".encode(), names, most=9)

    assert found == [{name: text if name in names else "null" for name, text in one.items()} for one in objects]


@pytest.mark.parametrize(
    "text", ['[{"a":1,"a":2}]', '[{"a":{"b:c":1},"a":2}]', '[{"a":1},{"b":1,"\\u0062":2}]', '[{"":0,"":0,"c":[]}]']
)
def test_an_object_with_a_name_twice_is_never_read_as_one(text: str) -> None:
    assert jsonreader.objects(text.encode(), frozenset({"a", "b", "c", ""}), most=9) is None


@pytest.mark.parametrize("members", [100, 101, 90_000])
def test_an_object_of_many_members_is_not_read(members: int) -> None:
    text = json.dumps([{f"m{nth}": 0 for nth in range(members)}])

    found = jsonreader.objects(text.encode(), frozenset({"m0"}), most=9)

    assert (found is None) == (members > 100)


@pytest.mark.parametrize("text", ["[1]", '"x"', "{}", "0", "null"])
@pytest.mark.parametrize("space", [" ", "\t", "\r\n"])
def test_white_space_may_follow_a_value(text: str, space: str) -> None:
    assert whole(text + space) == text + space


@pytest.mark.parametrize("rest", ["x", ",", "1", "]", "\u00a0", "\x0b", "\ufeff", "null"])
def test_nothing_else_may_follow_a_value(rest: str) -> None:
    with pytest.raises(UnstorableJson, match="is not JSON: extra data at byte 3"):
        whole(f"[1]{rest}")


@pytest.mark.parametrize(
    "text", ["", " ", "x", "[", "{", '"', "[1,]", "{,}", "01", "1.", ".5", "+1", "'a'", '"\n"', "-"]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(UnstorableJson, match=r"^is not JSON"):
        whole(text)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"a":{}}}', "[1,[{},2]]"])
def test_words_that_json_does_not_have_are_refused(word: str, around: str) -> None:
    with pytest.raises(UnstorableJson, match=f"^must not contain {word}$"):
        whole(around.format(word))


@pytest.mark.parametrize("depth", [1, DEPTH_MAX - 1, DEPTH_MAX])
def test_values_may_be_nested_up_to_the_limit(depth: int) -> None:
    assert whole(_nested(depth)) == _nested(depth)
    assert whole('{"a":' * depth + "1" + "}" * depth)


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 500, 1_000, 10_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ('{"[":[', "]}")])
def test_values_may_not_be_nested_deeper(opening: str, closing: str, depth: int) -> None:
    text = f"{opening * depth}1{closing * depth}"

    with pytest.raises(UnstorableJson, match=DEEP):
        whole(text)


@pytest.mark.parametrize("text", ["[" * 1_000, json.dumps("[" * 1_000), json.dumps(["{[" * 200, {"[" * 200: 1}])])
def test_brackets_in_strings_and_side_by_side_are_no_nesting(text: str) -> None:
    beside = f"[{','.join(['[[]]'] * 1_000)}]"

    assert whole(beside) == beside
    assert whole(json.dumps(text))


@pytest.mark.parametrize("digits", [1, DIGITS_MAX - 1, DIGITS_MAX])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_may_have_digits_up_to_the_limit(sign: str, digits: int) -> None:
    assert whole(f'[{{"a":{sign}{"9" * digits}}}]')


@pytest.mark.parametrize("digits", [DIGITS_MAX + 1, 4_300, 4_301, 100_000])
@pytest.mark.parametrize("around", ["{}", "-{}", "[1,{}]", '{{"a":{{"b":{}}}}}', '{{"a":{},"a":1}}'])
def test_an_integer_may_not_have_more_digits(around: str, digits: int) -> None:
    with pytest.raises(UnstorableJson, match=LONG):
        whole(around.format("1" + "0" * (digits - 1)))


@pytest.mark.parametrize("text", ["0." + "1" * 2_000, "1" * 1_001 + "e1", f'"{"1" * 2_000}"', f'{{"{"1" * 2_000}":1}}'])
def test_the_digits_of_other_values_are_not_counted(text: str) -> None:
    assert whole(text) == text


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
        whole(around.format(string))

    assert str(caught.value) == fault


@pytest.mark.parametrize("string", ["\\ud83d\\ude00", "\\\\u0000", "\\\\ud800", "\\u0001", "\\uffff", "\x7f", "\ue000"])
def test_strings_that_only_look_so_are_kept(string: str) -> None:
    assert whole(f'"{string}"') == f'"{string}"'
