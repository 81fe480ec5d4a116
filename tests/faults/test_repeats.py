"""Requests that are cut anywhere and repeated under their Idempotency-Key: exactly one batch each."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from app.postgres import libpq
from tests.checker import record
from tests.checker.record import Recorder
from tests.checker.verdict import Verdict, check_adds
from tests.support import databases, raw
from tests.support.clusters import is_alive, until
from tests.support.family import children
from tests.support.raw import Answer, Server
from tests.support.wire import Lost, Wire

SEED = 20_260_101
KEYS, THREADS = 1_000, 8
CUT_SHARE = 0.3
PATH = "/queues/repeats/jobs"
WITHIN_S = 60.0
TRIES_S = 0.02


@pytest.fixture
def server(own_url: str) -> Iterator[Server]:
    """The server as shipped, with two processes, on a database of its own."""
    with raw.server(own_url, ROWLINE_API_PROCESSES="2") as server:
        until(lambda: len(children(server.program.pid)) == 2)
        yield server


def batch(key: str, size: int, **further: Any) -> bytes:
    """Put a POST together whose jobs name the key and their place."""
    jobs = [{"name": "n", "data": {"batch": key, "index": index}, **further} for index in range(size)]
    return raw.request("POST", PATH, f"Idempotency-Key: {key}", "Connection: close", body=json.dumps(jobs).encode())


def stored(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(libpq.normal(url)) as connection:
        found = connection.execute("select number::text, data->>'batch', (data->>'index')::int from rowline.jobs")
        return [{"id": job_id, "batch": batch, "index": index} for job_id, batch, index in found]


def once(port: int, sent: bytes, random: Random) -> Answer | None:
    """Send a request, which may be cut at any byte, or its answer; None: it was, or the connection broke."""
    is_cut, is_reset, in_request = random.random() < CUT_SHARE, random.random() < 0.5, random.random() < 0.5
    try:
        with Wire(port) as wire:
            if is_cut and in_request:
                wire.send(sent[: random.randrange(len(sent))])
            elif is_cut:
                wire.send(sent)
                wire.read(random.randrange(800))
            if is_cut:
                wire.cut(is_reset=is_reset)
                return None
            wire.send(sent)
            return wire.answer()
    except Lost:
        return None


def until_answered(port: int, sent: bytes, random: Random) -> Answer:
    """Repeat a request until it is answered with a whole 200; only what asks for a repeat is repeated."""
    ends_at = time.monotonic() + WITHIN_S
    while time.monotonic() < ends_at:
        answer = once(port, sent, random)
        if answer is None:
            continue
        if answer.status == 200:
            return answer
        assert answer.status in {409, 503}, answer
        assert answer.headers["retry-after"]
        time.sleep(TRIES_S)
    raise AssertionError("never answered")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "history.jsonl")
    yield recorder
    recorder.close()


def verdict_on(history: Recorder, url: str) -> Verdict:
    return check_adds(record.read(history.path), stored(url))


def ids(answer: Answer) -> list[str]:
    return [job["id"] for job in answer.json()]


def test_cut_anywhere_and_repeated_a_thousand_posts_are_one_batch_each(
    server: Server, own_url: str, history: Recorder
) -> None:
    replays: list[str | None] = []

    def add(number: int) -> None:
        random, key = Random(f"{SEED}/{number}"), f"key-{number}"
        size = random.randint(1, 5)
        sent = batch(key, size)
        history.note("ask", batch=key, size=size)
        first = until_answered(server.port, sent, random)
        history.note("acknowledged", batch=key, ids=ids(first))
        random.random = lambda: 1.0  # type: ignore[method-assign]
        again = until_answered(server.port, sent, random)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.body == first.body
        replays.append(first.headers.get("idempotency-replayed"))

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(add, number) for number in range(KEYS)]:
            done.result()
    verdict = verdict_on(history, own_url)
    assert verdict.is_good, verdict
    assert verdict.acknowledged == verdict.attempted >= KEYS
    assert replays.count("true") > KEYS * CUT_SHARE / 10  # answers were cut whose requests had been worked


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_killed_under_64_posts_of_one_key_leaves_one_batch(
    server: Server, own_url: str, history: Recorder, victim: int
) -> None:
    """K09. One of the processes is at work on the batch, held up by a lock; the case kills either."""
    sent, sure = batch("one", 50), Random(SEED)
    history.note("ask", batch="one", size=50)
    sure.random = lambda: 1.0  # type: ignore[method-assign]
    with psycopg.connect(libpq.normal(own_url)) as holder, ThreadPoolExecutor(64) as pool:
        holder.execute("lock table rowline.jobs in share mode")
        barrier = threading.Barrier(64)

        def post() -> Answer:
            barrier.wait()
            return until_answered(server.port, sent, sure)

        posts: list[Future[Answer]] = [pool.submit(post) for _ in range(64)]
        try:
            until(lambda: waiting(own_url))
            killed = children(server.program.pid)[victim]
            os.kill(killed, signal.SIGKILL)
            until(lambda: not is_alive(killed))
        finally:
            holder.rollback()
        answers = [post.result() for post in posts]
    for answer in answers:
        history.note("acknowledged", batch="one", ids=ids(answer))
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) <= 1
    verdict = verdict_on(history, own_url)
    assert verdict.is_good, verdict


def waiting(url: str) -> bool:
    """Whether a request waits for a lock within its transaction."""
    with psycopg.connect(databases.as_owner(url)) as connection:
        return bool(
            connection.execute(
                "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            ).rowcount
        )
