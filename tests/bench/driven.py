"""Load over HTTP: by wrk where it is installed, else by the client in Python."""

import functools
import json
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench import programs
from tests.bench.cpu import Meter
from tests.bench.place import Place, Service
from tests.bench.programs import BenchError

SCRIPT = Path(__file__).with_name("wrk.lua")
WRK = shutil.which("wrk")
LATE_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Driven:
    """What a client saw. `all_requests`: answered, in the warm-up too; one more a connection may have been sent."""

    rate: float  # answers a second
    all_requests: int
    waits: dict[str, float]  # p50_ms, p99_ms, max_ms
    client_cores: float


def drive(place: Place, service: Service, *, file: Path, connections: int, meter: Meter) -> Driven:
    """Send the requests of `file` for the seconds of the run, one at a time on each connection. Raises BenchError."""
    if WRK is None:
        words = ["tests.bench.load", str(connections), str(file)]
        env = place.env(PORT=str(service.port))
        [count] = programs.measure(words, env=env, seconds=place.seconds, meter=meter)
        return Driven(rate=count.rate, all_requests=count.all_jobs, waits=count.waits, client_cores=count.cores)
    meter.begin()
    before = _children_s()
    told = _wrk(WRK, place, service, file=file, connections=connections)
    meter.end()
    if told["failed"]:
        raise BenchError(f"{told['failed']} requests of {file.name} failed")
    return Driven(
        rate=told["requests"] / told["seconds"],
        all_requests=int(told["requests"]),
        waits={name: told[name] for name in ("p50_ms", "p99_ms", "max_ms")},
        client_cores=(_children_s() - before) / told["seconds"],
    )


def _wrk(program: str, place: Place, service: Service, *, file: Path, connections: int) -> dict[str, float]:
    said = subprocess.run(
        [
            *(program, "--threads", "1", "--connections", str(connections), "--duration", f"{place.seconds}s"),
            *("--header", f"Authorization: Bearer {place.token}", "--script", str(SCRIPT)),
            *(f"http://127.0.0.1:{service.port}", "--", str(file)),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=place.seconds + LATE_S,
    )
    told: dict[str, float] = json.loads(said.stdout.strip().splitlines()[-1])
    return told


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@functools.cache
def client() -> str:
    """Name the client."""
    if WRK is None:
        return "Python (install wrk for a faster one)"
    said = subprocess.run([WRK, "--version"], check=False, capture_output=True, text=True, timeout=LATE_S).stdout
    return " ".join(said.split()[:2])
