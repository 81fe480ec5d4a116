"""The day of somebody who comes from BullMQ Proxy: register an endpoint, add, receive, report, read."""

import http.client
import json
import socket
from typing import Any

import pytest

from tests.support import raw, receivers
from tests.support.clusters import until
from tests.support.raw import TOKEN
from tests.support.receivers import LOOPBACK, Call, Receiver, answer


def call(port: int, method: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    got = connection.getresponse()
    text = got.read().decode()
    connection.close()
    return got.status, text


def test_the_day_of_a_user_of_the_proxy(own_url: str) -> None:
    reports: list[tuple[int, str]] = []

    with raw.server(own_url, ROWLINE_WEBHOOK_ALLOW=LOOPBACK, ROWLINE_SECRET_KEYS=raw.KEY) as server:
        port = server.port

        def paint(connection: socket.socket, received: Call) -> None:
            sent = json.loads(received.body)
            path = f"/queues/paint/jobs/{sent['job']['id']}"
            reports.append(call(port, "POST", f"{path}/progress", 50, sent["token"]))
            reports.append(call(port, "POST", f"{path}/logs", "mixing", sent["token"]))
            reports.append(call(port, "POST", f"{path}/logs", "painting", sent["token"]))
            color = sent["job"]["data"]["color"]
            connection.sendall(
                answer("200 OK", json.dumps({"painted": color}).encode(), "Content-Type: application/json")
            )

        with Receiver(paint) as receiver, receivers.dispatcher(own_url):
            worker = {
                "queue": "paint",
                "endpoint": {"url": receiver.url, "method": "post", "headers": {"X-Shop": "7"}, "timeout": 3000},
                "opts": {"concurrency": 2, "limiter": {"max": 100, "duration": 1000}, "maxStalledCount": 2},
            }
            assert call(port, "POST", "/workers", worker) == (200, "OK")
            assert json.loads(call(port, "GET", "/workers")[1]) == {"paint": receiver.url}

            jobs = [{"name": "wall", "data": {"color": color}} for color in ("red", "blue")]
            status, added = call(port, "POST", "/queues/paint/jobs", jobs)
            assert status == 200
            ids = [job["id"] for job in json.loads(added)]
            assert [job["opts"] for job in json.loads(added)] == [{}, {}]

            def job(job_id: str) -> dict[str, Any]:
                return dict(json.loads(call(port, "GET", f"/queues/paint/jobs/{job_id}")[1]))

            until(lambda: all("finishedOn" in job(job_id) for job_id in ids))
            painted = job(ids[0])
            assert json.loads(painted["returnvalue"]) == {"painted": "red"}
            assert (painted["progress"], painted["attemptsMade"], painted["queueQualifiedName"]) == (
                50,
                1,
                "bull:paint",
            )
            logs = json.loads(call(port, "GET", f"/queues/paint/jobs/{ids[0]}/logs")[1])
            assert logs == {"logs": ["mixing", "painting"], "count": 2}
            page = json.loads(call(port, "GET", "/queues/paint/jobs?statuses=completed,waiting")[1])
            assert page["counts"] == {"completed": 2, "waiting": 0}
            late = receiver.calls[0]
            assert call(port, "POST", f"/queues/paint/jobs/{late.job['id']}/progress", 1, late.job["token"])[0] == 401
            assert call(port, "DELETE", "/workers/paint") == (200, "OK")
            assert call(port, "DELETE", "/workers/paint")[0] == 404

    assert set(reports) == {(200, "OK")}
    assert {received.headers["x-shop"] for received in receiver.calls} == {"7"}


@pytest.mark.parametrize("method", ["GET", "DELETE", "TRACE", ""])
def test_an_endpoint_is_called_by_what_the_proxy_knows(own_url: str, method: str) -> None:
    with raw.server(own_url) as server:
        worker = {"queue": "q", "endpoint": {"url": "https://example.com/", "method": method}}
        assert call(server.port, "POST", "/workers", worker)[0] == 400
