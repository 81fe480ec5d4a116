"""`make faults`: faults under load, in an order drawn from a seed; then the history and the database are compared."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random, SystemRandom

import click

from tests.chaos import faults, report
from tests.chaos.listener import Listener
from tests.chaos.load import Load, Pace
from tests.chaos.own_queues import OwnQueues
from tests.chaos.report import Run
from tests.chaos.stand import Stand, stand
from tests.checker import record, verdict
from tests.checker.record import Recorder
from tests.checker.verdict import Verdict
from tests.support.clusters import is_alive, until

CALM_S = (0.3, 1.0)
"""Between a recovery and the next fault."""
GIVEN_UP_S = 30.0
DRAINED_S = 180.0
HANDS = Pace(hands=3)
LEAST = {"faults": 200, "jobs acknowledged": 100_000, "acknowledged calls by hand": 2_000}
LEAST_OWN = {"created": 1_000, "deduplicated": 1_000, "stored": 100, "rounds of plans": 20} | {
    "ticks": 5_000,
    "runs besides": 100,
    "events": 500_000,
    "cuts of their stream": 100,
}
"""What a run of `make faults` has to have done before it shows anything."""


@click.command()
@click.option("--seed", type=int, help="Repeats the order and the moments of a run; none: a new one, printed.")
@click.option("--only", type=click.Choice(sorted(faults.FAULTS)), multiple=True, help="These faults alone.")
@click.option("--scale", type=click.FloatRange(0.01, 100), default=1.0, show_default=True, help="Of how often each.")
@click.option("--producers", type=click.IntRange(4, 64), default=8, show_default=True, help="Half of them with keys.")
@click.option("--pullers", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--within-s", default=report.WITHIN_S, show_default=True, help="What a recovery may take, and an answer.")
def chaos(
    *, seed: int | None, only: tuple[str, ...], scale: float, producers: int, pullers: int, within_s: float
) -> None:
    """Hurt a service under load; exit with 1 when a promise was not kept."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every `finally` is seen to
    seed = SystemRandom().randrange(2**32) if seed is None else seed
    random, run = Random(seed), Run(seed, within_s)
    folder = Path(tempfile.mkdtemp(prefix="rowline-faults-"))
    folder.chmod(0o711)
    history = Recorder(folder / "clients.jsonl")
    kinds = drawn(random, only, scale)
    print(f"seed {seed}, {len(kinds)} faults; the history goes to {folder}", flush=True)
    began_at = time.monotonic()
    named = os.environ.get("ROWLINE_POSTGRES_BIN")
    with stand(Path(named) if named else None, history, folder, seed=seed) as place:
        with Load(place.ports, history, seed=seed, producers=producers, pullers=pullers, pace=HANDS) as load:
            own = OwnQueues(place.ports, seed=seed)
            own.start()
            listener = Listener(place.ports, seed=f"{seed}/listener")
            listener.start()
            until(lambda: load.acknowledged > 100, within_s=60)
            for kind in kinds:
                time.sleep(random.uniform(*CALM_S))
                hurt(place, load, run, history, kind, random)
            assert load.is_whole, "a thread of the load has died: its traceback stands above"
            assert own.is_whole, "a thread with a queue of its own has died: its traceback stands above"
            load.stop_adding()
            until(lambda: faults.back(place), within_s=GIVEN_UP_S)
            own.stop_adding()
            drain(place, own)
            own.stop()
            listener.catch_up(place)
        if wrong := place.recount():
            run.violations.append(f"counts were wrong: {wrong}")
        run.violations += own.judge(place)
        run.violations += listener.judge(place)
        run.own = own.told() | {"events": listener.read, "cuts of their stream": listener.cuts}
        history.close()
        events = record.read(history.path, folder / "workers.jsonl")
        found = verdict.check(events, jobs=place.stored(), attempts=place.attempts())
        run.note_load(events)
    if scale >= 1 and not only:
        done = {"faults": run.faults.total(), "jobs acknowledged": found.acknowledged}
        done["acknowledged calls by hand"] = sum(by["ok"] for by in run.by_hand.values())
        done |= {what: run.own.get(what, 0) for what in LEAST_OWN}
        run.violations += [
            f"only {done[name]:,} {name}, not {least:,}"
            for name, least in (LEAST | LEAST_OWN).items()
            if done[name] < least
        ]
    end(run, found, load, seconds=time.monotonic() - began_at)


def drawn(random: Random, only: tuple[str, ...], scale: float) -> list[str]:
    """Draw the faults of a run, in their order."""
    kinds = [
        kind
        for kind, (_fault, times) in faults.FAULTS.items()
        for _ in range(max(1, round(times * scale)))
        if not only or kind in only
    ]
    random.shuffle(kinds)
    return kinds


def hurt(place: Stand, load: Load, run: Run, history: Recorder, kind: str, random: Random) -> None:
    """Do one fault; wait until the service works again, and note how long that took and who is gone."""
    before, since = place.api, time.monotonic()
    harm = faults.FAULTS[kind][0](place, random)
    ends_at = time.monotonic() + GIVEN_UP_S
    while (answered_at := load.answered_after(harm.over_at)) is None and time.monotonic() < ends_at:
        time.sleep(0.01)
    until_s = answered_at or time.monotonic()
    took_s = until_s - harm.over_at if answered_at else GIVEN_UP_S
    for target in harm.targets or ("",):
        history.note("fault", t=since, name=kind, target=target, until=until_s)
    run.faults[kind] += 1
    run.hurt_s.append((since, until_s))
    run.recoveries_s.setdefault(kind, []).append(took_s)
    if gone := [pid for pid in before if pid not in harm.killed and not is_alive(pid)]:
        run.violations.append(f"{kind}: processes of the API are gone that nobody killed: {gone}")
    print(f"{kind}: {'a' if answered_at else 'no'} 200 of every node after {took_s:.2f} s", flush=True)


def drain(place: Stand, own: OwnQueues) -> None:
    """Wait until all jobs have ended; the checker says which have not."""
    ends_at = time.monotonic() + DRAINED_S
    while (left := place.open_jobs() + own.open(place)) and time.monotonic() < ends_at:
        print(f"draining: {left:,} jobs left", flush=True)
        time.sleep(2)


def end(run: Run, found: Verdict, load: Load, *, seconds: float) -> None:
    """Print the table and end with 0, or with 1 and what was broken."""
    print(f"\n{report.table(run, found, load.replies, load.claims_s, seconds=seconds)}")
    broken = report.judge(run, found, [*load.replies, *load.by_hand])
    for violation in broken:
        print(f"VIOLATION {violation}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    chaos()
