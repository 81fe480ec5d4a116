"""pgqueuer, on a pool of asyncpg: batches of 1,000 for a backlog, of 10 for latency."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from importlib import metadata
from typing import Any

import asyncpg
from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries
from pgqueuer.models import Job

from tests.bench.peers import harness


class Pgqueuer:
    """pgqueuer as a peer."""

    version = metadata.version("pgqueuer")

    def __init__(self, pool: Any) -> None:
        """Add through `pool`."""
        self._pool = pool
        self._queries = Queries(AsyncpgPoolDriver(pool))

    async def add(self, data: dict[str, Any]) -> None:
        """Add one job."""
        await self._queries.enqueue("welcome", json.dumps(data).encode())

    async def bulk(self, many: Sequence[dict[str, Any]]) -> None:
        """Add many jobs by one call."""
        await self._queries.enqueue(
            ["welcome"] * len(many), [json.dumps(data).encode() for data in many], [0] * len(many)
        )

    async def clear(self) -> None:
        """Take all jobs away."""
        await self._pool.execute("truncate pgqueuer, pgqueuer_log")

    async def work(self, on_job: harness.OnJob, *, latency: bool) -> Callable[[], Awaitable[None]]:
        """Begin to work, and return what ends that."""
        pool = await asyncpg.create_pool(harness.URL, min_size=4, max_size=16)
        worker = PgQueuer(AsyncpgPoolDriver(pool))

        async def welcome(job: Job) -> None:
            on_job(json.loads(job.payload or b"{}"))

        worker.entrypoint("welcome")(welcome)

        running = asyncio.create_task(
            worker.run(batch_size=10 if latency else 1_000, dequeue_timeout=timedelta(seconds=5))
        )

        async def stop() -> None:
            worker.shutdown.set()
            with contextlib.suppress(asyncio.TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(running, 10)
            pool.terminate()

        return stop


async def main() -> None:
    """Measure."""
    async with asyncpg.create_pool(harness.URL, min_size=4, max_size=16) as pool:
        peer = Pgqueuer(pool)
        await Queries(AsyncpgPoolDriver(pool)).install()
        await harness.main(peer)


if __name__ == "__main__":
    asyncio.run(main())
