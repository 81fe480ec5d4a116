"""Who waits for a database connection gets it in turns by token: no flood of one token holds up another."""

import contextlib
import http.client
import select
import socket
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.support import databases, raw
from tests.support.clusters import until

FLOOD = 24
LOCKED = "select from rowline.jobs where queue = 'q' for update"
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


def test_a_flood_of_one_token_that_waits_for_a_lock_holds_up_no_other(own_url: str) -> None:
    settings = {"AUTH_TOKENS": "the-token-of-a-flood,the-token-of-another", "ROWLINE_API_CONNECTIONS": "4"}
    limits = {"ROWLINE_LOCK_MS": "500", "ROWLINE_POOL_WAIT_MS": "60000", "ROWLINE_API_PROCESSES": "1"}
    answered: list[int] = []

    with raw.server(own_url, **settings, **limits) as server, psycopg.connect(databases.as_owner(own_url)) as holder:

        def ask(token: str, method: str, path: str, body: str = "") -> int:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)) as connection:
                connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
                return connection.getresponse().status

        def change(_: int) -> None:
            answered.append(ask("the-token-of-a-flood", "PATCH", "/queues/q/jobs/1", '{"data":1}'))

        assert ask("the-token-of-another", "POST", "/queues/q/jobs", '[{"name":"n","data":0}]') == 200
        holder.execute(LOCKED)
        with ThreadPoolExecutor(FLOOD) as pool:
            pool.map(change, range(FLOOD))
            until(lambda: databases.ask(own_url, WAITING) == [(3,)])
            assert ask("the-token-of-another", "GET", "/queues/other/jobs/2") == 404
            assert len(answered) < FLOOD / 2
            holder.rollback()


def test_waits_of_one_token_leave_connections_to_others(own_url: str) -> None:
    tokens = "the-token-of-a-flood", "the-token-of-another"
    settings = {"AUTH_TOKENS": ",".join(tokens), "ROWLINE_API_CLIENTS": "16", "ROWLINE_API_PROCESSES": "1"}
    jobs = b'[{"name":"n","data":0}]'
    waits = [
        raw.request("POST", "/queues/none/jobs/claim", body=b'{"wait":20000}', token=tokens[0]),
        raw.request("GET", "/queues/q/jobs/1?wait=20000", token=tokens[0]),
    ]
    with raw.server(own_url, **settings) as server, contextlib.ExitStack() as stack:
        [added] = server.ask(raw.request("POST", "/queues/q/jobs", body=jobs, token=tokens[0]), wanted=1)
        assert added.json()[0]["id"] == "1"

        def begin(request: bytes) -> socket.socket:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(request)
            return connection

        waiting = [begin(waits[nth % 2]) for nth in range(13)]
        [refused], _, _ = select.select(waiting, [], [], 60)
        assert refused.recv(12) == b"HTTP/1.1 429"
        refused.close()

        other = begin(raw.request("POST", "/queues/q/jobs/claim", body=b'{"wait":20000}', token=tokens[1]))
        assert other.recv(12) == b"HTTP/1.1 200"
        waiting.remove(refused)
        assert select.select(waiting, [], [], 0)[0] == []


def test_bodies_that_one_token_sends_slowly_make_room_for_others(own_url: str) -> None:
    tokens = "the-token-of-a-flood", "the-token-of-another"
    settings = {"AUTH_TOKENS": ",".join(tokens), "ROWLINE_API_CLIENTS": "16", "ROWLINE_API_PROCESSES": "1"}
    begun = raw.request("POST", "/queues/q/jobs", "Content-Length: 9", token=tokens[0]) + b"["
    with raw.server(own_url, ROWLINE_CLIENT_S="3600", **settings) as server, contextlib.ExitStack() as stack:

        def begin(request: bytes) -> socket.socket:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(request)
            return connection

        slow = [begin(begun) for _ in range(20)]
        other = begin(raw.request("GET", "/queues/q/jobs/1", token=tokens[1]))
        other.settimeout(60)
        assert other.recv(12) == b"HTTP/1.1 404"
        ended, _, _ = select.select(slow, [], [], 60)
        assert {connection.recv(12) for connection in ended} == {b"HTTP/1.1 408"}
        assert len(ended) < len(slow)
