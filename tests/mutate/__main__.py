"""`make mutate`: what do the tests say when the code is wrong? What no test notices is printed, with what was done.

A mutant is one small change of one file below app/domain, app/operations or app/store. Python's are made by cosmic-ray,
those of statements by `sql`. Each meets the tests that `concerns` names, on a copy of the checkout.
"""

import contextlib
import difflib
import functools
import math
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import psycopg

import tests.conftest  # noqa: F401 - forks have then imported all that we use of others
from app.store.statements import Statement
from tests.bench import report
from tests.mutate import concerns, python, run, sql
from tests.mutate.run import Bench, Ended, Run, Verdict
from tests.support import clusters, databases
from tests.support.clusters import ROOT

PACKAGES = ("domain", "operations", "store")
BASELINE_S = 600.0
REFUSED = "refused"
TRUSTED_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one file. `make` makes the new text."""

    path: str
    what: str
    make: Callable[[], str]

    @property
    def folder(self) -> str:
        return str(Path(self.path).parent)


@click.command()
@click.option("--only", multiple=True, help="Files whose path has this in it, such as sql or operations/claim.")
@click.option("--what", multiple=True, help="Changes whose name has this in it, such as order or NumberReplacer.")
@click.option("--seconds", type=click.IntRange(1), default=1_200, show_default=True, help="No mutant begins later.")
@click.option("--seed", type=int, help="Draws the order of the mutants, of which there are too many. Printed.")
@click.option("--trust", is_flag=True, help="Take for granted that the tests pass as they are.")
@click.option("--verbose", is_flag=True, help="Print those that are killed too, with the test that does it.")
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True, help="At once.")
def mutate(
    *,
    only: tuple[str, ...],
    what: tuple[str, ...],
    seconds: int,
    seed: int | None,
    trust: bool,
    verbose: bool,
    jobs: int,
) -> None:
    """Try mutants until the time is over, and print what became of them."""
    seed = secrets.randbelow(1_000) if seed is None else seed
    ends_at = time.monotonic() + seconds
    files = [path for path in _files() if _has(path, only)]
    mutants = [mutant for path in files for mutant in _mutants(path) if _has(mutant.what, what)]
    random.Random(seed).shuffle(mutants)
    print(f"{len(mutants)} mutants of {len(files)} files, {seconds} s, seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(clusters.folder())
        server_url = stack.enter_context(clusters.cluster(is_copy=True)).url
        template = stack.enter_context(databases.migrated(server_url))
        url = stack.enter_context(databases.fresh(server_url, template=template))
        conn = stack.enter_context(psycopg.connect(url, autocommit=True))
        env = {"DATABASE_URL": server_url, "TESTS_TEMPLATE": template}
        benches = stack.enter_context(run.benches(folder, jobs, env))
        tests = sorted({test for path in files for test in concerns.tests(path)})
        took_s = dict.fromkeys(tests, TRUSTED_S) if trust else _baseline(benches, tests)
        tally = Counter[tuple[str, str]]()
        for mutant, end in _tried(benches, mutants, took_s, conn, ends_at):
            tally[mutant.folder, end.verdict if end else REFUSED] += 1
            if end and (end.verdict in {Verdict.SURVIVED, Verdict.UNKNOWN} or verbose):
                print(_told(mutant, end), flush=True)
    print(_table(mutants, tally))


def _files() -> list[str]:
    found = [
        file for package in PACKAGES for kind in ("py", "sql") for file in (ROOT / "app" / package).rglob(f"*.{kind}")
    ]
    return sorted(path for file in found if concerns.tests(path := str(file.relative_to(ROOT))))


def _has(name: str, parts: Sequence[str]) -> bool:
    return not parts or any(part in name for part in parts)


def _mutants(path: str) -> Iterator[Mutant]:
    text = (ROOT / path).read_text()
    if path.endswith(".py"):
        for what, make in python.mutants(text):
            yield Mutant(path=path, what=what, make=make)
    else:
        for edit in sql.edits(text) if "/sql/" in path else sql.dropped_statements(text):
            yield Mutant(path=path, what=edit.what, make=functools.partial(edit.of, text))


def _baseline(benches: Sequence[Bench], tests: Sequence[str]) -> dict[str, float]:
    """Run each file of tests as it is; return how many seconds each took. One that fails is named and left out."""
    took_s = {}
    for end in run.ended(benches, [Run(tests=[test], limit_s=BASELINE_S) for test in tests], until=math.inf):
        if end.verdict is Verdict.SURVIVED:
            took_s[end.run.tests[0]] = end.took_s
        else:
            print(f"{end.run.tests[0]} fails as it is, and is left out:\n{end.said[-1_500:]}", flush=True)
    print(f"{len(took_s)} of {len(tests)} files of tests pass as they are: {sum(took_s.values()):.0f} s", flush=True)
    return took_s


def _tried(
    benches: Sequence[Bench],
    mutants: Sequence[Mutant],
    took_s: dict[str, float],
    conn: psycopg.Connection,
    ends_at: float,
) -> Iterator[tuple[Mutant, Ended | None]]:
    """Try mutants, each by its tests, the fastest first; None is one that Python or PostgreSQL does not take.

    Nor is one tried whose tests all fail as they are.
    """
    refused, tried = [], {}

    def runs() -> Iterator[Run]:
        for mutant in mutants:
            text = mutant.make()
            tests = sorted(filter(took_s.__contains__, concerns.tests(mutant.path)), key=took_s.__getitem__)
            if not tests or not _is_sound(mutant.path, text, conn):
                refused.append(mutant)
                continue
            made = Run(tests=tests, limit_s=60 + 3 * sum(took_s[test] for test in tests), path=mutant.path, text=text)
            tried[id(made)] = mutant
            yield made

    for end in run.ended(benches, runs(), until=ends_at):
        yield tried[id(end.run)], end
    for mutant in refused:
        yield mutant, None


def _is_sound(path: str, text: str, conn: psycopg.Connection) -> bool:
    """Say whether Python or PostgreSQL takes a text at all."""
    try:
        if path.endswith(".py"):
            compile(text, path, "exec")
        elif "/sql/" in path and "/_fragments/" not in path and not path.endswith("psql.sql"):
            conn.execute(f"prepare mutant as {Statement(path, text).prepared}".encode())
            conn.execute("deallocate mutant")
    except (SyntaxError, psycopg.Error):
        return False
    return True


def _told(mutant: Mutant, end: Ended) -> str:
    heading = f"{end.verdict}: {mutant.what} ({end.took_s:.0f} s)"
    if end.verdict in {Verdict.KILLED, Verdict.TIMED_OUT}:
        return f"{heading} in {mutant.path} {' '.join(run.failures(end.said)[:1])}"
    before, after = end.before.splitlines(), end.run.text.splitlines()
    diff = difflib.unified_diff(before, after, end.run.path, end.run.path, n=2, lineterm="")
    said = end.said[-3_000:] if end.verdict is Verdict.UNKNOWN else ""
    return "\n".join(["", heading, *diff, said])


def _table(mutants: Sequence[Mutant], tally: Counter[tuple[str, str]]) -> str:
    made = Counter(mutant.folder for mutant in mutants)
    kinds = (REFUSED, Verdict.KILLED, Verdict.TIMED_OUT, Verdict.SURVIVED, Verdict.UNKNOWN)
    rows = [[folder, str(made[folder]), *(str(tally[folder, kind]) for kind in kinds)] for folder in sorted(made)]
    total = [str(sum(int(row[nth]) for row in rows)) for nth in range(1, len(kinds) + 2)]
    return report.table([["folder", "mutants", *kinds], *rows, ["all", *total]])


if __name__ == "__main__":
    mutate()
