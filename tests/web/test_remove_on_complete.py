"""Jobs with `removeOnComplete: true` go in the statement that completes them, by every way to complete a job."""

import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.job import Completion, JsonText, LeaseKey
from app.domain.retention import Keep
from app.infra.settings import Settings
from app.operations import claim, exchange, jobs, maintenance, retention, settings
from app.postgres.database import Database
from app.store import counts, leases
from tests.support import answers, databases, work
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.jobs import new

JOBS = "/queues/q/jobs"
GONE = Keep(count=0)


def claimed(client: Client, count: int = 1) -> list[dict[str, Any]]:
    return list(answers.ok(client.post(f"{JOBS}/claim", json.dumps({"count": count})))["jobs"])


def add(client: Client, number: int = 1, **opts: Any) -> None:
    client.add(*[{"name": "n", "data": 1, "opts": {"removeOnComplete": True} | opts} for _ in range(number)])


def complete(client: Client, lease: dict[str, Any], result: Any = 1) -> Any:
    body = {"token": lease["token"], "returnvalue": result}
    return client.post(f"{JOBS}/{lease['job']['id']}/complete", json.dumps(body))


def test_it_is_gone_when_it_has_completed_with_all_it_left_and_its_id_is_free(client: Client, shared_url: str) -> None:
    add(client, jobId="mine", attempts=2)
    [lease] = claimed(client)
    client.post(f"{JOBS}/mine/logs", json.dumps({"token": lease["token"], "lines": ["l"]}))
    client.post(f"{JOBS}/mine/fail", json.dumps({"token": lease["token"], "failedReason": "r"}))
    [lease] = claimed(client)
    assert answers.ok(complete(client, lease)) == {"id": "mine", "status": "completed"}
    assert answers.problem(client.get(f"{JOBS}/mine"), 404)["code"] == "job_not_found"
    assert client.page()["counts"] == dict.fromkeys(client.page()["counts"], 0)
    for table in ("jobs", "attempts", "logs"):
        assert databases.ask(shared_url, f"select count(*) from rowline.{table}") == [(0,)], table
    add(client, jobId="mine")
    assert client.page()["counts"]["waiting"] == 1


def nothing(_: Database) -> None:
    """Let the counts unfolded."""


def recount(db: Database) -> None:
    """Count all jobs, which folds all."""
    assert maintenance.recount(db, actor=ACTOR) == []


def age(url: str) -> None:
    """Have all jobs gone a quarter of an hour ago, and more."""
    for table in ("removed_jobs", "removed_packs"):
        databases.run(url, f"update rowline.{table} set removed_at = removed_at - interval '16 minutes'")


@pytest.mark.parametrize("opts", [{}, {"jobId": "mine"}], ids=["a number", "a custom id"])
@pytest.mark.parametrize("meanwhile", [nothing, work.fold, recount])
def test_who_repeats_its_word_hears_the_same_for_a_while_and_another_token_does_not(
    client: Client, db: Database, shared_url: str, meanwhile: Callable[[Database], None], opts: dict[str, Any]
) -> None:
    add(client, **opts)
    [lease] = claimed(client)
    first = answers.ok(complete(client, lease))
    meanwhile(db)
    assert answers.ok(complete(client, lease)) == first
    other = lease | {"token": lease["token"].translate(str.maketrans("0123456789abcde", "123456789abcde0"))}
    assert answers.problem(complete(client, other), 404)["code"] == "job_not_found"
    retention.sweep(db, is_whole=True)
    assert answers.ok(complete(client, lease)) == first
    work.fold(db)
    age(shared_url)
    retention.sweep(db, is_whole=False)
    assert answers.problem(complete(client, lease), 404)["code"] == "job_not_found"


@pytest.mark.parametrize("own", [Settings(), Settings(events=False)], ids=["events", "no events"])
def test_of_many_jobs_each_is_remembered_for_its_queue_and_its_token(
    db: Database, shared_url: str, own: Settings
) -> None:
    one = Database(own, url=shared_url, size=1, name="other", limit_ms=60_000)
    held: dict[str, list[LeaseKey]] = {}
    for queue in ("q", "other"):
        jobs.submit_many(db, queue=queue, new=[new(remove_on_complete=GONE) for _ in range(600)])
        held[queue] = [lease.key for lease in work.take(db, queue=queue, limit=600)]
    with contextlib.closing(one):
        for queue, keys in held.items():
            assert exchange.exchange(one, queue=queue, completions=done(keys[::2])).completed
            work.fold(db)
            assert exchange.exchange(one, queue=queue, completions=done(keys[1::2])).completed
    assert databases.ask(shared_url, "select count(*) from rowline.removed_jobs") == [(0,)]
    [(packs, longest)] = databases.ask(
        shared_url, "select count(*), max(octet_length(attempts)) from rowline.removed_packs"
    )
    assert packs <= 20
    assert longest <= 256 * 24
    for queue, others in (("q", held["other"]), ("other", held["q"])):
        mine = held[queue]
        again = exchange.exchange(db, queue=queue, completions=done(mine)).completed
        assert again == {key.number for key in mine}
        assert exchange.exchange(db, queue=queue, completions=done(others)).completed == set()
        mixed = [key._replace(token=other.token) for key, other in itertools.pairwise(mine)]
        assert exchange.exchange(db, queue=queue, completions=done(mixed)).completed == set()


def test_what_went_in_a_transaction_that_a_fold_did_not_see_is_remembered(db: Database, shared_url: str) -> None:
    keys = held(db, remove_on_complete=GONE)
    work.fold(db)
    with db.begin() as conn:
        assert leases.complete(conn, queue="q", completions=done(keys))
        with contextlib.closing(Database(Settings(), url=shared_url, size=1, name="other", limit_ms=60_000)) as other:
            jobs.submit_many(other, queue="q", new=[new()])
            assert maintenance.fold_counts(other)
    passed = "added_by < folded_below and added_by = any(in_flight)"
    assert databases.ask(shared_url, f"select 1 from rowline.job_deltas, rowline.job_folds where {passed}") != []
    for _ in range(2):
        assert exchange.exchange(db, queue="q", completions=done(keys)).completed == {key.number for key in keys}
        work.fold(db)


def test_a_fold_keeps_so_many_attempts_at_once_and_the_next_one_the_rest(db: Database, shared_url: str) -> None:
    """After folds have stopped for long, one that took them all would take longer than a statement may."""
    databases.run(
        shared_url,
        "insert into rowline.job_deltas (queue, verb, at, removed) "
        "select 'q', 'complete_and_remove', clock_timestamp(), decode(repeat('00', 1200000), 'hex') "
        "from generate_series(1, 10)",
    )
    with db.begin() as conn:
        first = counts.fold(conn, limit=100)
    assert (first.deltas, first.is_cut) == (8, True)
    work.fold(db)
    assert databases.ask(shared_url, "select sum(octet_length(attempts)) from rowline.removed_packs") == [(12_000_000,)]


def test_what_a_node_of_the_release_before_wrote_down_is_remembered(db: Database, shared_url: str) -> None:
    keys = held(db, remove_on_complete=GONE)
    databases.run(
        shared_url,
        "with gone as (delete from rowline.jobs where remove_on_complete is not null returning *) "
        "insert into rowline.removed_jobs (queue, number, lease_token) select queue, number, lease_token from gone",
    )
    assert exchange.exchange(db, queue="q", completions=done(keys)).completed == {key.number for key in keys}


def test_a_line_that_was_logged_while_its_job_went_goes_when_that_is_forgotten(
    client: Client, db: Database, shared_url: str
) -> None:
    add(client)
    add(client, jobId="mine")
    client.add({"name": "n", "data": 1})
    numbers = [number for (number,) in databases.ask(shared_url, "select number from rowline.jobs order by number")]
    for lease in claimed(client, 2):
        answers.ok(complete(client, lease))
    for number in numbers:
        databases.run(shared_url, f"insert into rowline.logs (queue, number, line) values ('q', {number}, 'l')")
    work.fold(db)
    retention.sweep(db, is_whole=True)
    assert databases.ask(shared_url, "select count(*) from rowline.logs") == [(3,)]
    age(shared_url)
    retention.sweep(db, is_whole=True)
    assert databases.ask(shared_url, "select number from rowline.logs") == [(numbers[2],)]


def test_so_does_who_completed_a_job_with_a_custom_id_that_is_another_job_now(client: Client) -> None:
    add(client, jobId="mine")
    [lease] = claimed(client)
    first = answers.ok(complete(client, lease))
    assert answers.ok(complete(client, lease)) == first
    add(client, jobId="mine")
    [other] = claimed(client)
    assert answers.ok(complete(client, lease)) == first
    assert client.job("mine")["status"] == "active"
    assert answers.ok(complete(client, other)) == first


def test_one_that_fails_or_is_released_or_keeps_some_is_there(client: Client) -> None:
    add(client, 2)
    add(client, removeOnComplete={"count": 0, "age": 60})
    add(client, removeOnComplete=1)
    add(client, removeOnComplete={"age": 0})
    first, second, *others = claimed(client, 5)
    client.post(f"{JOBS}/{first['job']['id']}/fail", json.dumps({"token": first["token"], "failedReason": "r"}))
    client.post(f"{JOBS}/{second['job']['id']}/release", json.dumps({"token": second["token"]}))
    for lease in others:
        answers.ok(complete(client, lease))
    counts = client.page()["counts"]
    assert (counts["failed"], counts["waiting"], counts["completed"]) == (1, 1, 2)


def test_some_of_many_that_finish_together_go(client: Client) -> None:
    add(client, 2)
    client.add(*[{"name": "n", "data": 1}] * 2)
    told = [{"id": one["job"]["id"], "token": one["token"], "returnvalue": 1} for one in claimed(client, 4)]
    found = answers.ok(client.post(f"{JOBS}/finish", json.dumps({"jobs": told})))
    assert [one["status"] for one in found["finished"]] == ["completed"] * 4
    assert client.page()["counts"]["completed"] == 2


def held(db: Database, **options: Any) -> list[LeaseKey]:
    jobs.submit_many(db, queue="q", new=[new(**options), new()])
    return [one.key for one in claim.claim(db, queue="q", limit=2, lease_ms=60_000, worker="w").leases]


def done(keys: list[LeaseKey]) -> list[Completion]:
    return [Completion(lease=key, result=JsonText("1")) for key in keys]


def statuses(url: str) -> list[Any]:
    return [status for (status,) in databases.ask(url, "select status from rowline.jobs order by number")]


def test_what_a_worker_completes_goes_and_what_it_repeats_was_taken(db: Database, shared_url: str) -> None:
    keys = held(db, remove_on_complete=GONE)
    for _ in range(2):
        found = exchange.exchange(db, queue="q", completions=done(keys))
        assert found.completed == {key.number for key in keys}
        assert statuses(shared_url) == ["completed"]


@pytest.mark.parametrize("mark", leases.MARKS)
@pytest.mark.parametrize("way", ["exchange", "settle"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_token_that_ends_so_by_chance_removes_nothing(
    db: Database, shared_url: str, way: str, mark: str, number: int
) -> None:
    keys = [LeaseKey(number=key.number, token=f"{key.token[:-4]}{mark}") for key in held(db)[:number]]
    for key in keys:
        databases.run(shared_url, f"update rowline.jobs set lease_token = '{key.token}' where number = {key.number}")
    if way == "exchange":
        assert exchange.exchange(db, queue="q", completions=done(keys)).completed == {key.number for key in keys}
    else:
        work.complete_all(db, completions=done(keys))
    assert statuses(shared_url) == [*["completed"] * number, *["active"] * (2 - number)]


@pytest.mark.parametrize("what", ["tags", "keys", "logs"])
@pytest.mark.parametrize("way", ["exchange", "settle"])
def test_one_that_leaves_more_behind_goes_with_it(db: Database, shared_url: str, way: str, what: str) -> None:
    if what == "keys":
        settings.change_queue(db, queue="q", actor=ACTOR, keys=["a"])
    own = {"tags": ["t"]} if what == "tags" else {"data": JsonText('{"a": 1}')}
    key, other = held(db, remove_on_complete=GONE, **own)
    if what == "logs":
        databases.run(shared_url, f"insert into rowline.logs (queue, number, line) values ('q', {key.number}, 'l')")
    if way == "exchange":
        assert exchange.exchange(db, queue="q", completions=done([key])).completed == {key.number}
    else:
        work.complete_all(db, completions=done([key]))
    assert databases.ask(shared_url, "select number from rowline.jobs") == [(other.number,)]
    for table in ("logs", "terms", "attempts"):
        assert databases.ask(shared_url, f"select number from rowline.{table}") == [], table


LEAVING: dict[str, dict[str, Any]] = {"tags": {"tags": ["t"]}, "id": {"custom_id": "mine"}, "attempts": {"attempts": 2}}


def again(db: Database, what: str) -> None:
    """Have the first attempt of the first job failed, so that it is ready again."""
    if what == "attempts":
        work.fail(db, work.take(db)[0])


@pytest.mark.parametrize("what", [*LEAVING, "nothing"])
@pytest.mark.parametrize("limit", [1, 2])
def test_its_token_says_whether_it_leaves_more_behind(db: Database, what: str, limit: int) -> None:
    jobs.submit_many(db, queue="q", new=[new(remove_on_complete=GONE, **LEAVING.get(what, {})), *[new()] * (limit - 1)])
    again(db, what)
    key = min(one.key for one in work.take(db, limit=limit))
    assert key.token.endswith("ffff" if what == "nothing" else "fffe")


@pytest.mark.parametrize("what", LEAVING)
def test_one_whose_token_is_of_a_node_of_the_release_before_goes_with_all_it_leaves(
    db: Database, shared_url: str, what: str
) -> None:
    jobs.submit_many(db, queue="q", new=[new(remove_on_complete=GONE, **LEAVING[what])])
    again(db, what)
    [lease] = work.take(db)
    token = f"{lease.key.token[:-4]}ffff"
    databases.run(shared_url, f"update rowline.jobs set lease_token = '{token}'")
    key = lease.key._replace(token=token)
    assert exchange.exchange(db, queue="q", completions=done([key])).completed == {key.number}
    for table in ("jobs", "terms", "attempts"):
        assert databases.ask(shared_url, f"select number from rowline.{table}") == [], table
    assert databases.ask(shared_url, "select custom_id from rowline.removed_jobs") == [("mine",)] * (what == "id")


def test_behind_one_that_leaves_more_behind_others_of_its_queue_take_no_second_transaction(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first, _], [second, _], [third, _] = (held(db, remove_on_complete=GONE) for _ in range(3))
    for key in (first, second):
        databases.run(shared_url, f"insert into rowline.logs (queue, number, line) values ('q', {key.number}, 'l')")
    assert exchange.exchange(db, queue="q", completions=done([first])).completed == {first.number}
    with monkeypatch.context() as patched:
        patched.delattr(exchange, "_completed")
        assert exchange.exchange(db, queue="q", completions=done([second])).completed == {second.number}
        assert databases.ask(shared_url, "select number from rowline.logs") == []
        patched.setattr(leases, "LEAVES_S", 0.0)
        assert exchange.exchange(db, queue="q", completions=done([third])).completed == {third.number}


@pytest.mark.parametrize("mark", leases.MARKS)
@pytest.mark.parametrize("way", ["exchange", "settle"])
def test_the_token_of_another_removes_nothing_while_the_job_runs(
    db: Database, shared_url: str, way: str, mark: str
) -> None:
    [key, _] = held(db, remove_on_complete=GONE)
    other = key._replace(token=f"00000000-0000-4000-8000-00000000{mark}")
    if way == "exchange":
        assert exchange.exchange(db, queue="q", completions=done([other])).completed == set()
    else:
        assert work.complete_all(db, completions=done([other])) == {}
    assert statuses(shared_url) == ["active"] * 2


def test_a_lease_that_has_run_out_removes_nothing(db: Database, shared_url: str) -> None:
    keys = held(db, remove_on_complete=GONE)
    databases.run(shared_url, "update rowline.jobs set leased_until = statement_timestamp() - interval '1 second'")
    assert exchange.exchange(db, queue="q", completions=done(keys)).completed == set()
    assert work.complete_all(db, completions=done(keys)) == {}
    assert statuses(shared_url) == ["active"] * 2
