"""procrastinate, on psycopg: ten jobs at a time."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from importlib import metadata
from typing import Any

from procrastinate import App, PsycopgConnector

from tests.bench.peers import harness

CONCURRENCY = 10
app = App(connector=PsycopgConnector(conninfo=harness.URL, min_size=4, max_size=16))
on_jobs: list[harness.OnJob] = []


async def _note(**data: Any) -> None:
    """Note that it runs."""
    on_jobs[-1](data)


welcome = app.task(name="welcome")(_note)


class Procrastinate:
    """procrastinate as a peer."""

    version = metadata.version("procrastinate")

    async def add(self, data: dict[str, Any]) -> None:
        """Add one job."""
        await welcome.defer_async(**data)

    async def bulk(self, many: Sequence[dict[str, Any]]) -> None:
        """Add many jobs by one call."""
        await welcome.batch_defer_async(*many)

    async def clear(self) -> None:
        """Take all jobs away."""
        await app.connector.execute_query_async("truncate procrastinate_jobs cascade")

    async def work(self, on_job: harness.OnJob, *, latency: bool) -> Callable[[], Awaitable[None]]:  # noqa: ARG002
        """Begin to work, and return what ends that."""
        on_jobs.append(on_job)
        running = asyncio.create_task(app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False))

        async def stop() -> None:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

        return stop


async def main() -> None:
    """Measure."""
    logging.disable(logging.ERROR)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await harness.main(Procrastinate())


if __name__ == "__main__":
    asyncio.run(main())
