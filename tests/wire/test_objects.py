"""Objects are read alike whether they are read at once or piece by piece, and what is read is what Python reads."""

import json
from random import Random

import pytest

from app.domain.errors import InvalidRequest
from app.wire import objects
from app.wire.demands import Array, Form
from app.wire.jsonreader import Members
from app.wire.slowreader import Reader
from tests.fuzz import bodies

NAMES = frozenset({"name", "data", "opts"})
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
