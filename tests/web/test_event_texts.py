"""What a stream says of many events at once is what it says of each."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.domain import events as domain
from app.domain.events import RUN_MAX, Note, Title
from app.queries.events import TitledRun
from app.web.events import schemas, text
from app.web.events.schemas import Wanted

NAMES = ["q", "%d %s", 'a "quoted" one', "\\u0000", "naïve ünï", '"\\u0000"']


def runs(
    verb: str,
    numbers: Sequence[int],
    *,
    queue: str = "q",
    worker: str | None = None,
    details: Mapping[str, Mapping[str, Any]] | None = None,
    titles: Mapping[int, Title] | None = None,
) -> list[TitledRun]:
    size = len(numbers) * len(domain.OF_VERB[verb])
    note = Note(100 + size, size, queue, verb, 1_700_000_000_000, numbers, worker, details or {})
    return [TitledRun(run, titles or {}) for run in domain.spread(note)]


def read(written: bytes) -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for one in written.decode().split("\n\n")[:-1]:
        event_id, event, data = one.split("\n")
        found.append((int(event_id.removeprefix("id: ")), event.removeprefix("event: "), json.loads(data[6:])))
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verb", ["insert", "claim", "complete_and_remove"])
def test_events_that_are_alike_read_as_if_each_were_written_by_itself(name: str, verb: str) -> None:
    for run in runs(verb, [7, 1, 2**62], queue=name, worker=name):
        assert run.is_uniform
        written = text.uniform(run.run)
        said: dict[str, Any] = {"has_names": False, "sees_payload": True}
        assert written == text.each(run.events, {}, **said), "to the byte"
        assert [each[0] for each in read(written)] == [*range(run.run.first_id, run.run.last_id + 1)]
        assert [each[2] for each in read(written)] == [schemas.members(one, **said) for one in run.events]
        assert [each[2]["id"] for each in read(written)] == ["7", "1", str(2**62)]


@pytest.mark.parametrize(
    "more",
    [{"details": {"7": {"attempt": 2}}}, {"titles": {7: Title("mine", None)}}, {"titles": {7: Title("7", "a name")}}],
    ids=["a detail", "an id of its own", "a name"],
)
def test_events_that_differ_are_not_taken_for_alike(more: dict[str, Any]) -> None:
    [run] = runs("claim", [7, 8], **more)
    assert not run.is_uniform
    assert [one.title and one.title.job_id for one in run.events] == [
        more.get("titles", {}).get(7, Title("7", None)).job_id,
        "8",
    ]


def test_what_a_title_of_another_run_says_does_not_count() -> None:
    [run] = runs("claim", [7, 8], titles={9: Title("mine", None)})
    assert run.is_uniform


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(), 3),
        (Wanted(queues=("q*",)), 3),
        (Wanted(queues=("other",)), 0),
        (Wanted(types=frozenset({domain.EventType.ACTIVE})), 3),
        (Wanted(types=frozenset({domain.EventType.ADDED})), 0),
        (Wanted(queue="q", job_id="8"), 1),
        (Wanted(queue="q", job_id="10"), 0),
        (Wanted(queue="q", job_id="eight"), 0),
        (Wanted(queue="q", job_id="\u0668"), 0),  # an 8 that is no id
    ],
)
def test_so_many_are_wanted_as_are_chosen(wanted: Wanted, count: int) -> None:
    [run] = runs("claim", [7, 8, 9])
    assert wanted.count(run, wanted.covers) == count
    assert len([*wanted.chosen(run, wanted.covers)]) == count


def test_a_large_batch_is_parted_and_goes_on_after_any_of_its_events() -> None:
    numbers = range(1, 2 * RUN_MAX + 2)
    parts = runs("complete_and_remove", numbers)
    assert [len(each.run.numbers) for each in parts] == [RUN_MAX, RUN_MAX, 1] * 2
    whole = [one.event for each in parts for one in each.events]
    assert [event.id for event in whole] == [*range(101, 101 + 2 * len(numbers))]
    note = parts[0].run.note
    for after in (0, 101, 102 + RUN_MAX, 101 + len(numbers), whole[-1].id - 1, whole[-1].id):
        rest = [event for run in domain.spread(note, after=after) for event in domain.each(run)]
        assert rest == [event for event in whole if event.id > after]
