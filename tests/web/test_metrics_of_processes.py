"""The metrics of processes as they run: those of the API added up, workers and dispatchers on a port of their own."""

import os
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.infra import metricfiles, metricserver
from app.infra.metrics import OTHER, QUEUES_MAX, ProcessMetrics
from app.infra.settings import SettingsError
from app.operations import jobs as operations
from app.postgres.database import Database
from tests.support import raw, receivers
from tests.support.clusters import PYTHON, Program, free_port, until
from tests.support.jobs import new
from tests.support.receivers import Receiver

REQUESTS = ("GET", "/queues", "200")


def samples(text: bytes, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == name
    }


def scraped(port: int, path: str = "/metrics") -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            return bytes(answer.read())
    except OSError:
        return b""


def metrics_of(server: raw.Server) -> bytes:
    [answer] = server.ask(raw.request("GET", "/metrics", "Connection: close"))
    assert answer.status == 200
    return answer.body


def ask(server: raw.Server, times: int) -> None:
    for _ in range(times):
        server.ask(raw.request("GET", "/queues", "Connection: close"))


def workers_of(server: raw.Server) -> list[int]:
    master = server.program.pid
    return [int(child) for child in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def folders_of(pid: int) -> set[Path]:
    """Return the folder whose files a process has mapped; none before it has loaded the application."""
    mapped = Path(f"/proc/{pid}/maps").read_text().split()
    return {Path(word).parent for word in mapped if metricfiles.PREFIX in word}


def test_the_processes_of_an_api_count_together_and_go_on_where_one_was_killed(db: Database, shared_url: str) -> None:
    with raw.server(shared_url, ROWLINE_API_PROCESSES="2") as server:
        ask(server, 20)
        until(lambda: samples(metrics_of(server), "rowline_http_requests_total").get(REQUESTS) == 20)
        until(lambda: len(workers_of(server)) == 2)
        first = workers_of(server)
        until(lambda: all(folders_of(pid) for pid in first))  # one may begin long after the other
        [folder] = folders_of(first[0])
        until(lambda: len([*folder.glob("histogram*.db")]) == 2)
        files = {file.name for file in folder.glob("*.db")}
        for killed in (first[0], first[1]):
            os.kill(killed, signal.SIGKILL)
            until(lambda killed=killed: killed not in workers_of(server) and len(workers_of(server)) == 2)  # type: ignore[misc]
            until(lambda: server.ask(raw.request("GET", "/health/live", "Connection: close"))[0].status == 200)
        ask(server, 5)
        until(lambda: samples(metrics_of(server), "rowline_http_requests_total").get(REQUESTS) == 25)
        assert {file.name.rpartition("_")[2] for file in folder.glob("*.db")} <= {"0.db", "1.db"}
        assert {file.name for file in folder.glob("histogram*.db")} == {one for one in files if "histogram" in one}
        assert samples(metrics_of(server), "rowline_pool_in_use").keys() == {()}
        server.program.end(signal.SIGTERM)
    assert not folder.exists()


def test_a_dispatcher_counts_its_calls(db: Database, shared_url: str) -> None:
    port = free_port()
    with Receiver() as receiver:
        receivers.register(db, receiver.url, queue="mail")
        operations.submit_many(db, queue="mail", new=[new()] * 3)
        with receivers.dispatcher(shared_url, metrics_port=port):
            until(lambda: samples(scraped(port), "rowline_endpoint_calls_total") == {("completed", "mail"): 3})
            found = scraped(port)
    assert [*samples(found, "rowline_build_info").values()] == [1]
    assert samples(found, "rowline_pool_in_use").keys() == {()}


def test_a_worker_serves_its_metrics_and_those_of_its_connections(
    db: Database, shared_url: str, tmp_path: Path
) -> None:
    port, handlers = free_port(), tmp_path / "handlers.py"
    handlers.write_text("import rowline\n\n@rowline.handler('n')\ndef n(job): return 1\n")
    env = {"DATABASE_URL": shared_url, "ROWLINE_METRICS_PORT": str(port)}
    with Program([*PYTHON, "-m", "app", "work", "--queue", "q", "--handlers", handlers], env=env) as program:
        program.expect("worker_started")
        until(lambda: bool(samples(scraped(port), "rowline_notify_round_trip_seconds")))
        assert samples(scraped(port), "rowline_notify_round_trip_seconds")[()] > 0


def test_a_port_that_is_taken_is_said_by_name() -> None:
    server = metricserver.start(lambda: b"x 1\n", host="127.0.0.1", port=free_port())
    port = int(server.server_address[1])
    assert scraped(port) == b"x 1\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/else", timeout=60)
    with pytest.raises(SettingsError, match=f"ROWLINE_METRICS_PORT: cannot listen on 127.0.0.1 port {port}"):
        metricserver.start(lambda: b"", host="127.0.0.1", port=port)
    server.shutdown()
    server.server_close()


def test_a_process_names_so_many_queues_and_no_more() -> None:
    process = ProcessMetrics()
    for nth in range(QUEUES_MAX + 2):
        process.note_call(f"q{nth}", "failed")
    process.note_call("q0", "failed")
    found = samples(process.text(), "rowline_endpoint_calls_total")
    assert len(found) == QUEUES_MAX + 1
    assert (found["failed", "q0"], found["failed", OTHER]) == (2, 2)


def test_a_wait_for_a_connection_is_told_with_its_length(db: Database, shared_url: str, settings: Any) -> None:
    waits: list[float] = []
    opened = Database(settings, url=shared_url, size=1, name="rowline-test")
    opened.on_wait = waits.append
    with opened.read_once():
        assert opened.in_use == 1
        with pytest.raises(Exception, match="all database connections are in use"), opened.read_once():
            pass
    assert [wait >= opened.wait_s * 0.9 for wait in waits] == [True]
    with opened.read_once():
        pass
    assert len(waits) == 1, "who finds a free one has not waited"
    assert opened.in_use == 0
    opened.close()
