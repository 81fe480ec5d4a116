"""A revoked token, two nodes, under load: refused everywhere within 5 s."""

import json
import threading
import time
from collections.abc import Iterator

from tests.measured.figure import Figure
from tests.support import clusters, databases, raw
from tests.support.raw import Server, request

LIMIT_S = 5.0
ROUNDS = 5
THREADS = 3  # a node, that use the token all the time
WARM_S = 1.0


def measure() -> Iterator[Figure]:
    """Create a token, use it on both nodes, revoke it on one; by turns."""
    with clusters.cluster() as cluster:
        databases.prepare(cluster.url)
        url = databases.as_runtime(cluster.url)
        with raw.server(url, ROWLINE_API_PROCESSES="2") as one, raw.server(url, ROWLINE_API_PROCESSES="2") as other:
            lasted = [_lasted_s((one, other)) for _ in range(ROUNDS)]
    yield Figure(
        promise=f"a revoked token is refused on two nodes within {LIMIT_S:g} s",
        seen=f"{max(lasted):.2f} s at most of {ROUNDS}",
        is_kept=max(lasted) <= LIMIT_S,
    )


def _lasted_s(nodes: tuple[Server, Server]) -> float:
    """Return how long after its revocation a token was accepted last, 0 if it was not."""
    body = json.dumps({"name": "n", "scopes": ["jobs:read"]}).encode()
    made = nodes[0].ask(request("POST", "/tokens", "Connection: close", body=body))[0].json()
    accepted = [0.0]
    over = threading.Event()

    def use(node: Server) -> None:
        while not over.is_set():
            [answer] = node.ask(request("GET", "/queues/q/jobs", "Connection: close", token=made["token"]))
            if answer.status == 200:
                accepted.append(time.monotonic())

    users = [threading.Thread(target=use, args=(node,)) for node in nodes for _ in range(THREADS)]
    for user in users:
        user.start()
    time.sleep(WARM_S)
    [answer] = nodes[0].ask(request("DELETE", f"/tokens/{made['id']}", "Connection: close"))
    revoked_at = time.monotonic()
    assert answer.status == 200, answer.body
    time.sleep(2 * LIMIT_S)
    over.set()
    for user in users:
        user.join()
    return max(0.0, max(accepted) - revoked_at)
