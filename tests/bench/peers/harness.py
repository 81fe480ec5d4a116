"""Measures one peer in Python: the same figures in the same way as harness.mjs. Prints one JSON line.

It runs where only the peer is installed, and imports nothing of Rowline.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

CONFIG = json.loads(os.environ["BENCH"])
URL: str = CONFIG["url"]
LOOK_S = 0.02
OnJob = Callable[[dict[str, Any]], None]


class Peer(Protocol):
    """What a peer gives."""

    version: str

    async def add(self, data: dict[str, Any]) -> None:
        """Add one job."""

    async def bulk(self, many: Sequence[dict[str, Any]]) -> None:
        """Add many jobs by one call."""

    async def clear(self) -> None:
        """Take all jobs away."""

    async def work(self, on_job: OnJob, *, latency: bool) -> Callable[[], Awaitable[None]]:
        """Begin to work, and return what ends that."""


def _payloads() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(CONFIG["jobs"]).read_text().splitlines()]


async def _rate(peer: Peer, in_flight: int, size: int) -> float:
    payloads, done, begun_at = _payloads(), 0, time.monotonic()
    starts = iter(range(0, 1 << 60, size))

    async def loop() -> None:
        nonlocal done
        while time.monotonic() < begun_at + CONFIG["seconds"]:
            start = next(starts) % len(payloads)
            await (peer.add(payloads[start]) if size == 1 else peer.bulk(payloads[start : start + size]))
            done += size

    await asyncio.gather(*(loop() for _ in range(in_flight)))
    return done / (time.monotonic() - begun_at)


async def _until(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + CONFIG["longest_s"]
    while not condition() and time.monotonic() < ends_at:  # noqa: ASYNC110 - one look for all peers
        await asyncio.sleep(LOOK_S)


async def _processed(peer: Peer) -> float:
    payloads, at = _payloads(), list[float]()
    for _ in range(0, CONFIG["backlog"], len(payloads)):
        await peer.bulk(payloads)
    stop = await peer.work(lambda _: at.append(time.monotonic()), latency=False)
    await _until(lambda: len(at) >= CONFIG["backlog"])
    found = (len(at) - 1) / (at[-1] - at[0])
    await stop()
    return found


async def _latencies(peer: Peer) -> dict[str, float]:
    waits: list[float] = []
    stop = await peer.work(lambda data: waits.append((time.time() - data["at"]) * 1000), latency=True)
    rate, count = CONFIG["latency_rate"], CONFIG["latency_s"] * CONFIG["latency_rate"]
    await asyncio.sleep(1)
    for nth in range(-rate, count):
        at = time.monotonic()
        if nth == 0:
            waits.clear()  # the first are slower
        await peer.add({"at": time.time()})
        await asyncio.sleep(max(0.0, 1 / rate - (time.monotonic() - at)))
    await _until(lambda: len(waits) >= count)
    await stop()
    waits.sort()
    return {"p50_ms": waits[len(waits) // 2], "p99_ms": waits[int(len(waits) * 0.99)], "max_ms": waits[-1]}


async def main(peer: Peer) -> None:
    """Measure all, and tell."""
    found: dict[str, Any] = {"version": peer.version}
    for name, in_flight, size in CONFIG["adding"]:
        await peer.clear()
        found[name] = await _rate(peer, in_flight, size)
    await peer.clear()
    found["process"] = await _processed(peer)
    await peer.clear()
    found |= await _latencies(peer)
    print(json.dumps(found), flush=True)
