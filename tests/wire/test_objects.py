"""Objects are read alike whether they are read at once or piece by piece, and what is read is what Python reads."""

import contextlib
import json
import re
import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest, TooLarge
from app.domain.job import JsonText
from app.wire import jsonreader, objects
from app.wire.demands import AT_ONCE, Array, Form
from app.wire.jsonreader import Members
from app.wire.slowreader import Reader
from tests.fuzz import bodies
from tests.support import json_texts

NAMES = frozenset({"name", "data", "opts"})
SEVERAL = jsonreader.several
JOBS = Array("jobs", 100, Form(NAMES, limits={"data": 20_000}))


def at_once(raw: bytes) -> list[Members] | None:
    try:
        return objects.read_objects(raw, JOBS)
    except InvalidRequest:
        return None


def by_pieces(raw: bytes) -> list[Members] | None:
    reader = Reader(raw)
    try:
        raw.decode()
        found, end = reader.array(reader.skip(0), "body", JOBS)
        reader.end(end)
    except (InvalidRequest, UnicodeDecodeError):
        return None
    return found


@pytest.mark.parametrize("seed", range(8))
def test_what_is_fuzzed_is_read_alike_in_both_ways(seed: int) -> None:
    random = Random(seed)
    for _ in range(500):
        raw = bodies.make(random)[1]
        found = at_once(raw)
        pieces = by_pieces(raw)
        are_known = all(NAMES.issuperset(job) for job in found or pieces or [])
        assert found == pieces or not are_known, raw[:300]  # others are refused; a name among them may stand twice
        for job in found or []:
            for text in job.values():
                json.dumps(json.loads(text), ensure_ascii=False).encode()  # no half of a character
        if found is not None:
            assert len(json.loads(raw)) == len(found)


@given(
    st.lists(json_texts.texts, min_size=1, max_size=4), st.lists(st.integers(0, 30_000), max_size=3), json_texts.space
)
@settings(max_examples=50, deadline=None)
def test_a_long_array_is_read_to_the_letter_however_long_its_objects_are(
    data: list[str], lengths: list[int], pad: str
) -> None:
    members = [{"data": text} for text in data] + [{"name": json.dumps("},{" * length)} for length in lengths]
    texts = [f"{{{','.join(f'{json.dumps(name)}:{pad}{text}' for name, text in one.items())}}}" for one in members]
    times = AT_ONCE // len("".join(texts)) + 1
    raw = f"[{f'{pad},{pad}'.join(texts * times)}]".encode()

    assert objects.read_objects(raw, Array("jobs", len(texts) * times, Form(NAMES))) == members * times


@pytest.mark.parametrize("odd", ['{"data":1,"data":2}', "1", "{]", '{"data":"\\u0000"}', '{"data":1} {}', "", "{"])
@pytest.mark.parametrize("good", ['{"data":"%s"}', '{"data":[{},{"a":"%s"},{}]}'])
@pytest.mark.parametrize("size", [1, 500, 40_000])
def test_a_fault_behind_many_objects_is_named_by_its_place(odd: str, good: str, size: int) -> None:
    others = [good % ("x" * size)] * (AT_ONCE // size)

    with pytest.raises(InvalidRequest) as found:
        objects.read_objects(f"[{','.join([*others, odd, *others[:3]])}]".encode(), Array("jobs", 10**6, Form(NAMES)))

    fault = found.value.faults[0]
    assert fault.path.startswith(f"jobs[{len(others)}") or fault.path == "body"
    if place := re.search("at character ([0-9]+)", fault.message):
        assert 0 <= int(place[1]) - len(",".join(others)) <= len(odd) + 3, fault


@pytest.mark.parametrize(("data", "times"), [('{"data":0}', 2), ('"{",{"data":0}', 0.6)])
@pytest.mark.parametrize("size", [300, 16_385, 21_847, 40_000])
def test_objects_with_objects_in_them_are_not_parsed_again_and_again(
    data: str, times: float, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def several(text: bytes, names: frozenset[str], *, most: int) -> tuple[list[Members], int, int]:
        asked.append(len(text))
        return SEVERAL(text, names, most=most)

    monkeypatch.setattr(jsonreader, "several", several)
    one = f'{{"data":[{",".join([data] * ((size - 10) // (len(data) + 1)))}]'.ljust(size - 1) + "}"
    count = 16 * AT_ONCE // size

    objects.read_objects(f"[{','.join([one] * count)}]".encode(), Array("jobs", count, Form(NAMES)))

    assert 0 < sum(asked) <= times * size * count


def test_a_long_array_of_too_many_objects_is_refused() -> None:
    raw = f"[{','.join(['{}'] * 100_001)}]".encode()

    assert len(objects.read_objects(raw, Array("jobs", 100_001, Form(NAMES)))) == 100_001
    with pytest.raises(TooLarge, match="must hold at most 100000 jobs"):
        objects.read_objects(raw, Array("jobs", 100_000, Form(NAMES)))


def test_unknown_names_of_a_whole_body_take_no_more_memory_than_its_text() -> None:
    def peak(sent: str) -> int:
        raw = sent.encode()
        tracemalloc.start()
        try:
            with contextlib.suppress(InvalidRequest):
                objects.read_objects(raw, JOBS._replace(limit=5_000, form=Form(NAMES)))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    odd = "{" + ",".join(f'"{chr(0x4E00 + nth)}":0' for nth in range(97)) + "}"
    plain = odd.replace('"', "x") * 2_000

    assert peak(f"[{','.join([odd] * 2_000)}]") <= 1.1 * peak(f'[{{"name":"n","data":"{plain}"}}]')


NESTED = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('a"\\[]{}:,é\ud800'), max_size=4),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=3), inside, max_size=4),
    max_leaves=40,
)
HALVES = st.characters(categories=["Cs"], exclude_characters="\udc5b\udc7b")
STRINGS = st.lists(st.text(st.sampled_from('a"\\,[]{}: \n\x00\x1c\x1dé') | HALVES, max_size=5))


@given(STRINGS, st.sampled_from([",", " ,\n"]), st.booleans(), st.integers(1, 30))
def test_an_array_of_strings_is_read_as_lines_whatever_is_in_them(
    lines: list[str],
    comma: str,
    is_ascii: bool,  # noqa: FBT001 - drawn
    count: int,
) -> None:
    text = json.dumps(lines, separators=(comma, ":"), ensure_ascii=is_ascii or not "".join(lines).isprintable())

    assert objects.lines(JsonText(text), count) == "\n".join(json.loads(text))[-count:]


@given(NESTED)
def test_nothing_else_is_lines(value: object) -> None:
    is_lines = isinstance(value, list) and all(isinstance(one, str) for one in value)

    assert (objects.lines(JsonText(json.dumps(value)), 9) is not None) == is_lines
