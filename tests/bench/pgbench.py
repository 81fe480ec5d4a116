"""pgbench with the statements of the service: claim a batch and complete it, in one transaction."""

import os
import re
import resource
import subprocess
from pathlib import Path

from app.domain import attempts
from app.infra.settings import Settings
from app.local import binaries
from app.postgres import libpq
from tests.bench.jobs import QUEUE
from tests.bench.place import Place
from tests.bench.programs import BenchError
from tests.bench.raw import HEAD, LEASE_MS, WRITING

CLIENTS = 2
AT_ONCE = 100
WITHIN_S = 120.0
_ONE_ROW = """
select
    coalesce(array_agg(number order by number), '{}')::text as numbers,
    coalesce(array_agg(lease_token order by number), '{}')::text as tokens,
    coalesce(array_agg('null'::text), '{}')::text as results,
    string_agg(changed::text, '') as all_of_it
from changed \\gset
"""


def program(chosen: Settings) -> Path | None:
    """Find pgbench beside the server's programs, if it is there."""
    found = binaries.folder(chosen) / "pgbench"
    return found if os.access(found, os.X_OK) else None


def script() -> str:
    """Return the script. A client of pgbench keeps one row only, so the claim gives all of its rows as one."""
    claim = _bare(WRITING.claim.text).rpartition("\nselect\n")[0] + _ONE_ROW
    return f"begin;\n{claim}\n{_bare(WRITING.complete.text).rstrip()};\nend;\n"


def _bare(text: str) -> str:
    """Leave out comments, in which pgbench would see its variables."""
    return re.sub(r"--[^\n]*\n", "", text)


def words(pgbench: Path, file: str | Path, *, url: str, turns: int) -> list[str]:
    """Return the command that runs the script so many times for each client."""
    variables = {
        "queue": QUEUE,
        "limit": AT_ONCE,
        "lease_ms": LEASE_MS,
        "grace_ms": attempts.TIMEOUT_GRACE_MS,
        "worker": "pgbench",
    } | HEAD
    return [
        *(str(pgbench), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--jobs={CLIENTS}"),
        *(f"--transactions={turns}", f"--file={file}"),
        *(f"--define={name}={value}" for name, value in variables.items()),
        libpq.normal(url),
    ]


def run(place: Place, pgbench: Path) -> float:
    """Work off the backlog with two clients; return the CPU seconds of pgbench. Raises BenchError."""
    file = place.write("pgbench.sql", [script()])
    turns = -(-place.backlog // AT_ONCE // CLIENTS) + 1
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(
        words(pgbench, file, url=place.url, turns=turns),
        check=False,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env=os.environ | {"PGOPTIONS": "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off"},
    )
    if said.returncode:
        raise BenchError(f"pgbench failed: {said.stderr[-1000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
