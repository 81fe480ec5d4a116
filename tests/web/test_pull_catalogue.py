"""What goes wrong with pull workers, progress and logs, over real sockets; the names are those of the catalogue."""

import json
import threading
from typing import Any

import pytest

from tests.support import raw
from tests.support.raw import Answer, Server
from tests.support.wire import Wire

NOBODYS = "7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"


def post(server: Server, path: str, body: object, *, token: str = raw.TOKEN) -> Answer:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    [answer] = server.ask(raw.request("POST", f"/queues/q/jobs{path}", body=sent, token=token), wanted=1)
    return answer


def get(server: Server, path: str) -> Any:
    [answer] = server.ask(raw.request("GET", f"/queues/q/jobs{path}"), wanted=1)
    return answer.json()


def held(server: Server, **opts: object) -> tuple[str, str]:
    """Add a job and claim it; return its id and its token."""
    post(server, "", [{"name": "n", "data": 1, "opts": opts}])
    [lease] = post(server, "/claim", {}).json()["jobs"]
    return lease["job"]["id"], lease["token"]


def test_l02_a_wait_without_end_ends(own_url: str) -> None:
    with raw.server(own_url, ROWLINE_MAX_WAIT_MS="400") as server:
        assert post(server, "/claim", {"wait": 10**9}).json() == {"jobs": []}


def test_l04_a_second_word_of_the_same_is_taken_and_another_is_not(server: Server) -> None:
    job_id, token = held(server)
    word = {"token": token, "returnvalue": 1}
    assert [post(server, f"/{job_id}/complete", word).status for _ in range(2)] == [200, 200]
    assert post(server, f"/{job_id}/complete", word | {"returnvalue": 2}).status == 409
    assert get(server, f"/{job_id}")["result"] == 1


def test_p12_every_first_answer_to_complete_is_lost_and_each_job_is_completed_once(server: Server) -> None:
    post(server, "", [{"name": "n", "data": nth} for nth in range(30)])
    leases = post(server, "/claim", {"count": 30}).json()["jobs"]
    for lease in leases:
        path, word = f"/{lease['job']['id']}/complete", {"token": lease["token"], "returnvalue": lease["token"]}
        with Wire(server.port) as wire:
            wire.send(raw.request("POST", f"/queues/q/jobs{path}", body=json.dumps(word).encode()))
            wire.cut(is_reset=False)
        assert post(server, path, word).json()["status"] == "completed"
        assert post(server, path, word | {"returnvalue": 0}).status == 409
        told = get(server, path.removesuffix("/complete"))
        assert (told["result"], told["attemptsMade"], told["attemptsStarted"]) == (lease["token"], 1, 1)


@pytest.mark.parametrize("opts", [{}, {"attempts": 3}])
def test_l06_what_has_ended_cannot_end_otherwise(server: Server, opts: dict[str, object]) -> None:
    job_id, token = held(server, **opts)
    post(server, f"/{job_id}/complete", {"token": token})
    assert post(server, f"/{job_id}/fail", {"token": token}).status == 409
    cancelled, its_token = held(server, **opts)
    post(server, f"/{cancelled}/cancel", b"")
    assert post(server, f"/{cancelled}/fail", {"token": its_token}).json()["status"] == "failed"
    assert post(server, f"/{cancelled}/complete", {"token": its_token}).status == 409
    assert post(server, "/999999999/complete", {"token": its_token}).status == 404


@pytest.mark.parametrize("asked_ms", [500, 3_600_000])
def test_l08_a_heartbeat_is_as_long_as_asked_but_not_past_the_end_of_the_job(server: Server, asked_ms: int) -> None:
    job_id, token = held(server, timeout=10_000)
    begun = get(server, f"/{job_id}")["processedOn"]
    until = post(server, f"/{job_id}/extend", {"token": token, "lockDuration": asked_ms}).json()["lockedUntil"]
    assert begun + min(500, asked_ms) <= until <= begun + 11_000


@pytest.mark.parametrize(
    "reason", [b'"\\u0000"', b'"\\ud800"', b'"' + b"x" * 1_500 + b'"', b'"\\u001b[31m"', b'"<script>"', b'""', b"null"]
)
def test_l10_no_reason_blocks_a_failure(server: Server, reason: bytes) -> None:
    job_id, token = held(server)
    answer = post(server, f"/{job_id}/fail", b'{"token":"' + token.encode() + b'","failedReason":' + reason + b"}")
    assert (answer.status, answer.json()["status"]) == (200, "failed")
    assert get(server, f"/{job_id}")["failedReason"]


def test_l12_a_thousand_lines_at_once_are_all_there(server: Server) -> None:
    job_id, token = held(server)

    def write(writer: int) -> None:
        sent = b"".join(
            raw.request("POST", f"/queues/q/jobs/{job_id}/logs", body=f'"{writer} {nth}"'.encode(), token=token)
            for nth in range(50)
        )
        statuses.extend(answer.status for answer in server.ask(sent, wanted=50))

    statuses: list[int] = []
    writers = [threading.Thread(target=write, args=[writer]) for writer in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert statuses == [200] * 1_000
    assert get(server, f"/{job_id}/logs?length=0")["count"] == 1_000


@pytest.mark.parametrize("kind", ["progress", "logs"])
@pytest.mark.parametrize("token", [raw.TOKEN, NOBODYS, "", "x" * 5_000, "é"])
def test_l14_a_job_takes_reports_from_who_holds_it_alone(server: Server, kind: str, token: str) -> None:
    job_id, own = held(server)
    body = b"5" if kind == "progress" else b'"line"'
    assert post(server, f"/{job_id}/{kind}", body, token=token).status == 401
    elsewhere = raw.request("POST", f"/queues/other/jobs/{job_id}/{kind}", body=body, token=own)
    assert server.ask(elsewhere, wanted=1)[0].status == 401
    assert post(server, f"/{job_id}/{kind}", body, token=own).status == 200
