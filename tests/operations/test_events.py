"""Events are kept for a time and within a size; a slow stream is cut; while older nodes fold, nothing is published."""

import threading
from collections.abc import Callable, Hashable, Iterator

import psycopg
import pytest

from app.domain import events as domain
from app.domain.events import EventType, Note
from app.infra.settings import Settings
from app.operations import eventstreams, jobs, maintenance
from app.operations.eventstreams import AT_ONCE, LAG_MAX, Choose, EventStreams, Piece, Stream
from app.postgres.database import Database
from app.queries import events
from app.queries.events import TitledRun, titled
from app.store.events import SLOTS
from tests.support import databases, work
from tests.support.clusters import until
from tests.support.jobs import new

DAY_MS = 86_400_000


def published(db: Database, after: int = 0) -> list[EventType]:
    work.fold(db)
    return [one.event.type for one in events.page(db, after=after).events]


def test_events_are_kept_until_all_other_parts_are_filled(db: Database) -> None:
    jobs.submit_many(db, queue="q", new=[new()])
    newest = events.ends(db).newest
    assert published(db, newest) == [EventType.ADDED]
    assert not maintenance.make_room_for_events(db, keep_ms=DAY_MS, max_bytes=2**30)
    for _ in range(SLOTS - 1):
        assert published(db, newest) == [EventType.ADDED]
        assert maintenance.make_room_for_events(db, keep_ms=0, max_bytes=2**30)
    jobs.submit_many(db, queue="q", new=[new()])
    assert published(db, newest) == [EventType.ADDED, EventType.ADDED], "those of all parts, in their order"
    assert maintenance.make_room_for_events(db, keep_ms=0, max_bytes=2**30)
    assert events.page(db, after=newest).ends.oldest == newest + 2
    assert published(db, newest) == [EventType.GAP, EventType.ADDED]
    [gap, _] = events.page(db, after=newest).events
    assert (gap.event.first_id, gap.event.id) == (newest + 1, newest + 1)


def test_one_row_that_is_published_is_announced(db: Database) -> None:
    heard = threading.Event()
    end = db.listen(maintenance.PUBLISHED, heard.set)
    until(lambda: db.hears(maintenance.PUBLISHED))
    heard.clear()
    jobs.submit_many(db, queue="q", new=[new()])
    work.fold(db)
    assert heard.wait(60)
    end()


def test_a_part_that_is_large_enough_is_followed_by_the_next(db: Database) -> None:
    jobs.submit_many(db, queue="q", new=[new()])
    work.fold(db)
    assert maintenance.make_room_for_events(db, keep_ms=DAY_MS, max_bytes=SLOTS)


def test_while_a_node_of_the_release_before_is_connected_a_gap_goes_on(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")
    with psycopg.connect(databases.as_owner(own_url), application_name="rowline-worker 0034", autocommit=True) as old:
        old.execute("update rowline.job_folds set folded_below = folded_below + 1")  # as its fold does
        assert published(db) == []
        jobs.submit_many(db, queue="q", new=[new()])
        assert published(db) == [], "the gap is not over"
    until(lambda: not databases.ask(own_url, "select from pg_stat_activity where application_name like '% 0034'"))
    jobs.submit_many(db, queue="q", new=[new()])
    assert published(db) == [EventType.GAP, EventType.ADDED]
    db.close()


def test_a_service_without_events_publishes_none(own_url: str) -> None:
    silent = Database(Settings(database_url=own_url, events=False), url=own_url, size=2, name="rowline-test")
    jobs.submit_many(silent, queue="q", new=[new(), new()])
    jobs.submit_many(silent, queue="q", new=[new()])
    assert published(silent) == []
    assert not maintenance.look(silent, word=None).is_unfolded, "and does not fold for ever"
    silent.close()


def run(event_id: int, *, jobs: int = 1) -> TitledRun:
    note = Note(event_id + jobs - 1, jobs, "q", "insert", 0, range(event_id, event_id + jobs), None, {})
    [found] = domain.spread(note)
    return titled(found, {})


def given(stream: Stream, *ids: int) -> bool:
    return stream.put([run(nth) for nth in ids], read=max(ids), chosen={})


def ids(piece: Piece | None) -> list[int]:
    return [one.event.id for each in piece.runs for one in each.events] if piece else []


def taken(stream: Stream) -> list[int]:
    return ids(stream.take())


def where(condition: Callable[[TitledRun], bool]) -> Choose:
    return lambda one: one if condition(one) else None


EVEN = where(lambda one: one.run.first_id % 2 == 0)
ALL = where(lambda _one: True)


def test_a_stream_that_lags_takes_no_more_and_keeps_nothing() -> None:
    stream = Stream(EVEN)
    assert not given(stream, *range(1, 2 * LAG_MAX))
    assert not given(stream, 5_000, 5_001), "so many wait only now"
    assert not given(stream, 5_003), "it does not want it"
    assert given(stream, 5_004)
    assert stream.has_lagged
    assert taken(stream) == []
    assert not given(stream, 5_006), "it lagged before"


def test_a_stream_whose_client_reads_goes_on() -> None:
    stream = Stream(EVEN)
    for first in range(1, 20 * LAG_MAX, 2 * LAG_MAX):
        assert not given(stream, *range(first, first + 2 * LAG_MAX))
        assert taken(stream) == list(range(first + 1, first + 2 * LAG_MAX, 2))
    assert taken(stream) == []


def test_streams_of_a_view_have_the_same_pieces_and_one_that_joins_amid_them_its_own() -> None:
    found, chosen = [run(nth) for nth in range(1, 5)], dict[Hashable, list[Piece]]()
    streams = [Stream(ALL, view="all") for _ in range(3)]
    streams.append(Stream(where(lambda one: one.run.first_id > 3), view="late"))
    streams[1].after = 2
    for stream in streams:
        stream.put(found, read=4, chosen=chosen)
    first, amid, third, late = (stream.take() for stream in streams)
    assert first is third
    assert [ids(piece) for piece in (first, amid, late)] == [[1, 2, 3, 4], [3, 4], [4]]


def test_no_piece_is_larger_than_it_may_be_but_for_one_run() -> None:
    found = [run(1, jobs=AT_ONCE - 1), run(5_000, jobs=2), run(6_000, jobs=AT_ONCE - 2), run(9_000, jobs=1)]
    assert [piece.count for piece in eventstreams.pieces(found, ALL)] == [AT_ONCE - 1, AT_ONCE, 1]


def test_streams_are_counted_and_each_that_is_cut_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventstreams, "LAG_MAX", 1)
    counted: list[int] = []
    lags: list[Stream] = []
    slow, quick = Stream(ALL), Stream(where(lambda one: one.run.note.queue == "other"))
    streams = EventStreams(db, on_count=counted.append, on_lag=lambda: lags.append(slow))
    for caller in ("a", "b"):
        streams.enter(caller, most=None)
    newest = events.ends(db).newest
    assert streams.join(slow, at=newest, newest=newest)
    assert streams.join(quick, at=newest, newest=newest)
    for _ in range(3):
        jobs.submit_many(db, queue="q", new=[new()])
        jobs.submit_many(db, queue="other", new=[new()])
        assert quick.woken.wait(60)
        assert len(taken(quick)) == 1
    assert slow.has_lagged
    assert lags == [slow]
    for caller in ("b", "a"):
        streams.leave(caller)
    assert counted == [1, 2, 1, 0]
    streams.close()


def test_a_stream_joins_when_it_has_read_what_others_have(db: Database) -> None:
    streams = EventStreams(db)
    first, second = Stream(ALL), Stream(ALL)
    newest = events.ends(db).newest
    assert not streams.join(first, at=newest - 1, newest=newest), "the thread reads for all: nobody sets it back"
    assert streams.join(first, at=newest, newest=newest)
    jobs.submit_many(db, queue="q", new=[new()])
    assert first.woken.wait(60)
    assert not streams.join(second, at=newest, newest=newest), "it has to read that first"
    [newest] = taken(first)
    assert streams.join(second, at=newest, newest=newest)
    streams.part(first)
    jobs.submit_many(db, queue="q", new=[new()])
    assert second.woken.wait(60)
    assert len(taken(second)) == 1
    assert taken(first) == []
    streams.close()
    assert streams.is_closed


def test_a_stream_for_names_that_joins_amid_a_reading_hears_them(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    streams, first, named = EventStreams(db), Stream(ALL), Stream(ALL, has_names=True)
    newest = events.ends(db).newest
    read = events.page

    def page(db: Database, *, after: int, has_names: bool) -> events.Page:
        found = read(db, after=after, has_names=has_names)
        if found.runs and not has_names:
            streams.join(named, at=newest, newest=newest)
        return found

    monkeypatch.setattr(events, "page", page)
    assert streams.join(first, at=newest, newest=newest)
    jobs.submit_many(db, queue="q", new=[new(name="ada")])
    for stream in (first, named):
        assert stream.woken.wait(60)
        piece = stream.take()
        assert piece
        assert [one.title and one.title.name for each in piece.runs for one in each.events] == ["ada"]
    streams.close()


@pytest.fixture
def joined(db: Database) -> Iterator[Stream]:
    """A stream of all events from now on."""
    streams, stream = EventStreams(db), Stream(ALL)
    newest = events.ends(db).newest
    assert streams.join(stream, at=newest, newest=newest)
    yield stream
    streams.close()


@pytest.mark.parametrize("by", [1_000, -1], ids=["events are gone that nobody read", "ids were set back"])
def test_streams_end_where_something_is_missing_so_that_their_clients_hear_of_it(
    db: Database, shared_url: str, joined: Stream, by: int
) -> None:
    databases.run(shared_url, f"update rowline.job_folds set next_event = next_event + {by}")
    assert joined.woken.wait(60)
    assert joined.has_lagged


def test_an_event_that_this_release_does_not_know_is_passed_over(db: Database, shared_url: str, joined: Stream) -> None:
    databases.run(
        shared_url,
        "insert into rowline.events (slot, last_id, size, queue, verb, at, numbers, details) "
        "select slot, next_event, 1, 'q', 'fail', now(), '{1}', "
        "json_build_object('1', json_build_object('type', 'odd')) from rowline.job_folds; "
        "update rowline.job_folds set next_event = next_event + 1",
    )
    jobs.submit_many(db, queue="q", new=[new()])
    types: list[EventType] = []
    while not types:  # the two may come in a piece each
        assert joined.woken.wait(60)
        piece = joined.take()
        types += [one.event.type for each in piece.runs for one in each.events] if piece else []
    assert types == [EventType.ADDED]


def test_a_stream_knows_what_was_read_for_it_though_it_wants_none_of_it(db: Database) -> None:
    streams, narrow = EventStreams(db), Stream(where(lambda one: one.run.note.queue == "narrow"))
    newest = events.ends(db).newest
    assert streams.join(narrow, at=newest, newest=newest)
    jobs.submit_many(db, queue="q", new=[new()])
    until(lambda: narrow.read == newest + 1)
    assert taken(narrow) == []
    streams.close()


def test_a_cursor_that_a_restored_backup_has_passed_by_is_told_a_reset(own_url: str) -> None:
    """As if the events 1 to 100 had been given, the 90 last ones after the backup, and 200 others since."""
    db = Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")
    jobs.submit_many(db, queue="q", new=[new()] * 10)
    assert len(published(db)) == 10
    databases.run(own_url, "update rowline.job_folds set history = 'of the server before'")
    for _ in range(2):
        jobs.submit_many(db, queue="q", new=[new()] * 100)
        work.fold(db)
    [reset] = events.page(db, after=100).events
    assert reset.event.type is EventType.RESET
    resumed = events.page(db, after=reset.event.id)
    assert [one.event.type for one in resumed.events] == [EventType.ADDED] * 200
    db.close()


def test_where_the_server_does_not_say_its_history_events_come_and_nothing_is_reset(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")
    jobs.submit_many(db, queue="q", new=[new()])
    assert published(db) == [EventType.ADDED]
    databases.run(own_url, "revoke execute on function pg_control_system() from public")
    jobs.submit_many(db, queue="q", new=[new()])
    assert published(db) == [EventType.ADDED] * 2
    [(history, known)] = databases.ask(own_url, "select history, rowline.history(tableoid) from rowline.job_folds")
    assert history == known, "it is kept for when it can be known"
    db.close()


def test_who_reads_the_oldest_events_holds_nobody_up(db: Database, shared_url: str) -> None:
    [(slot,)] = databases.ask(shared_url, f"select mod(slot + 1, {SLOTS}) from rowline.job_folds")
    with psycopg.connect(databases.as_owner(shared_url)) as dump:
        dump.execute(f"lock table rowline.events_{slot} in access share mode")
        assert not maintenance.make_room_for_events(db, keep_ms=0, max_bytes=2**30)
    assert maintenance.make_room_for_events(db, keep_ms=0, max_bytes=2**30)
