"""What a stream says of many events at once is what it says of each."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.domain import events as domain
from app.domain.events import RUN_MAX, Ends, Note, Title
from app.operations.eventstreams import Stream
from app.queries.events import TitledRun, titled
from app.web.events import schemas, stream, text
from app.web.events.schemas import Wanted
from app.web.events.stream import Sender

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
    return [titled(run, titles or {}) for run in domain.spread(note)]


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
    [{"details": {"7": {"attempt": 2}}}, {"titles": {7: Title("mine", None)}}],
    ids=["a detail", "an id of its own"],
)
def test_events_that_differ_are_not_taken_for_alike(more: dict[str, Any]) -> None:
    [run] = runs("claim", [7, 8], **more)
    assert not run.is_uniform
    assert [one.title and one.title.job_id for one in run.events] == [
        more.get("titles", {}).get(7, Title("7", None)).job_id,
        "8",
    ]


def test_titles_of_other_runs_and_names_make_no_difference_to_who_wants_none() -> None:
    for titles in ({9: Title("mine", None)}, {7: Title("7", "a name"), 8: Title("8", "another")}):
        [run] = runs("claim", [7, 8], titles=titles)
        assert run.is_uniform
        assert read(said(Wanted(), run, 2)[1])[0][2].keys() >= {"id", "at"}
        assert ("name" in read(said(Wanted(has_names=True), run, 2)[1])[0][2]) is (7 in titles)


ADDED, ACTIVE, FAILED = domain.EventType.ADDED, domain.EventType.ACTIVE, domain.EventType.FAILED
OWN = {8: Title("mine", None)}


@pytest.mark.parametrize("titles", [{}, OWN, {7: Title("7", "a name"), 8: Title("mine", "a name"), 9: Title("9", "b")}])
@pytest.mark.parametrize("details", [{}, {"7": {"attempt": 2}}, {"9": {"type": "failed"}}, {"9": {"type": "odd"}}])
@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(queues=("q*",)),
        Wanted(queues=("other",)),
        Wanted(types=frozenset({ACTIVE})),
        Wanted(types=frozenset({ADDED})),
        Wanted(types=frozenset({FAILED})),
        *(Wanted(queue="q", job_id=job_id) for job_id in ("7", "07", "8", "9", "10", "mine", "\u0667", "9" * 30)),
        Wanted(queue="q", job_id="9", types=frozenset({FAILED})),
        Wanted(queue="other", job_id="7"),
    ],
)
def test_what_is_chosen_of_a_run_has_all_that_is_wanted(
    wanted: Wanted, details: dict[str, Any], titles: dict[int, Title]
) -> None:
    [run] = runs("claim", [7, 8, 9], titles=titles, details=details)
    expected = [one for one in run.events if wanted.wants(one, wanted.covers)]
    chosen = wanted.choose(run, wanted.covers)
    assert [one for one in (chosen.events if chosen else ()) if wanted.wants(one, wanted.covers)] == expected
    assert bool(chosen) is bool(expected)
    if chosen and wanted.job_id is not None:
        assert (chosen.count, len(chosen.titles) <= 1, len(chosen.run.note.details) <= 1) == (1, True, True)


def test_a_run_keeps_the_titles_of_its_jobs_alone() -> None:
    [run] = runs("claim", [8], titles={number: Title(f"job-{number}", None) for number in range(2_000)})
    assert run.titles == {8: Title("job-8", None)}


class Given:
    """Streams of a process in which a run is published as soon as one has joined."""

    is_closed = False

    def __init__(self, run: TitledRun) -> None:
        self._run = run

    def join(self, stream: Stream, **_cursors: int) -> bool:
        stream.put([self._run], read=self._run.run.last_id, chosen={})
        return True

    def part(self, _stream: Stream) -> None:
        """Do nothing: there is nobody to tell."""


def said(wanted: Wanted, run: TitledRun, count: int) -> list[bytes]:
    """Return the first pieces that a client is sent, hello first."""
    anything: Any = Given(run)
    rules: dict[str, Any] = dict.fromkeys(("may_see", "sees_payload"), lambda _queue: True)
    sender = Sender(anything, anything, wanted, **rules, may_go_on=lambda: True, rights=())
    return [*itertools.islice(sender.pieces(Ends(100, 1, 0)), count)]


def test_streams_of_other_types_share_what_is_written_of_a_run() -> None:
    [run] = runs("claim", [7, 8], titles=OWN)
    for other in (FAILED, ADDED):
        assert b"mine" in said(Wanted(types=frozenset({ACTIVE, other})), run, 2)[1]
    assert len(run.texts) == 1


@pytest.mark.parametrize(
    ("job_id", "details"), [("7", {}), ("7", {"9": {"type": "failed"}}), (None, {"9": {"type": "failed"}})]
)
def test_a_client_hears_by_a_comment_that_the_rest_of_a_batch_has_passed_that_it_does_not_want(
    monkeypatch: pytest.MonkeyPatch, job_id: str | None, details: dict[str, Any]
) -> None:
    monkeypatch.setattr(stream, "COMMENT_S", 0.0)
    wanted = Wanted(queue="q", job_id=job_id, types=frozenset({ACTIVE}))
    [run] = runs("claim", [7, 8, 9], details=details)
    _, sent, comment = said(wanted, run, 3)
    assert [each[2]["id"] for each in read(sent)] == (["7"] if job_id else ["7", "8"])
    assert comment == b":\nid: %d\n\n" % run.run.last_id


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
