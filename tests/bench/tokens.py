"""`make bench-tokens`: what it costs an API process to check 10,000 tokens of the database, beside one of AUTH_TOKENS.

CPU of the API's process, by the scheduler's own account, for a GET of a job, in turn; every request has the next
token. First all of them are shown once: what that costs is told too.
"""

import hashlib
import http.client
import json
import statistics

import click

from app.domain import tokens
from app.infra import settings
from tests.bench import cpu, place, report
from tests.bench.place import Place, Service

GOAL = 1.05
TOKENS = 10_000
SCOPES = "{jobs:read@other*,jobs:read@q,payload@q}"
INSERT = (
    "insert into rowline.tokens (id, name, scopes, digest) "
    "select id, 'bench', %s, digest from unnest(%s::text[], %s::bytea[]) as t (id, digest)"
)


@click.command()
@click.option("--rounds", type=click.IntRange(1, 50), default=9, show_default=True)
@click.option("--requests", "each", type=click.IntRange(1, 100_000), default=2_000, show_default=True, help="A round.")
def bench(*, rounds: int, each: int) -> None:
    """Measure, and print the ratio."""
    with (
        place.opened(settings.from_env({}), seconds=1, backlog=1) as on,
        on.serving(place.API, path="/health/ready", part="API", ROWLINE_API_PROCESSES="1") as api,
    ):
        asker, made = Asker(on, api), _made(on)
        first = asker.cpu_us(made)
        used: dict[str, list[float]] = {"AUTH_TOKENS": [], "database": []}
        for nth in range(rounds):
            turn = [made[(nth * each + at) % TOKENS] for at in range(each)]
            sides = {"AUTH_TOKENS": [on.token] * each, "database": turn}
            for side in [*sides][:: 1 if nth % 2 else -1]:
                used[side].append(asker.cpu_us(sides[side]))
        own, other = (statistics.median(found) for found in used.values())
        ratio = statistics.median(
            there / here for here, there in zip(used["AUTH_TOKENS"], used["database"], strict=True)
        )
    rows = [
        ["one token of AUTH_TOKENS", f"{own:.0f}", "1.00", ""],
        [
            f"{TOKENS:,} tokens of the database, remembered",
            f"{other:.0f}",
            f"{ratio:.2f}",
            "met" if ratio <= GOAL else "MISSED",
        ],
        ["the same, each for the first time", f"{first:.0f}", f"{first / own:.2f}", ""],
    ]
    print(report.table([["GET of a job", "API's CPU, us", "x", f"goal {GOAL:g}"], *rows]))


def _made(on: Place) -> list[str]:
    """Store tokens as they would be created; return them."""
    made = [tokens.create() for _ in range(TOKENS)]
    digests = [hashlib.sha256(token.encode()).digest() for token, _ in made]
    on.connection.execute(INSERT, (SCOPES, [token_id for _, token_id in made], digests))
    return [token for token, _ in made]


class Asker:
    """One client of one API process, which asks for one job."""

    def __init__(self, on: Place, api: Service) -> None:
        """Connect, and add the job."""
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port)
        headers = {"Authorization": f"Bearer {on.token}"}
        self._connection.request("POST", "/queues/q/jobs", b'[{"name":"n","data":1}]', headers)
        [job] = json.loads(self._connection.getresponse().read())
        self._path = f"/queues/q/jobs/{job['id']}"
        self._pid = api.pid

    def cpu_us(self, shown: list[str]) -> float:
        """Ask once with each token; return the API's CPU for each request."""
        before = cpu.scheduled_ns(self._pid)
        for token in shown:
            self._connection.request("GET", self._path, headers={"Authorization": f"Bearer {token}"})
            answer = self._connection.getresponse()
            assert answer.status == http.HTTPStatus.OK, answer.read()
            answer.read()
        return (cpu.scheduled_ns(self._pid) - before) / len(shown) / 1_000


if __name__ == "__main__":
    bench()
