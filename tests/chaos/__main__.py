"""`make faults`: faults under load, in an order drawn from a seed; then answers and database are compared."""

import os
import signal
import sys
import time
from pathlib import Path
from random import Random, SystemRandom

import click

from tests.chaos import faults, report
from tests.chaos.load import Load
from tests.chaos.report import Run
from tests.chaos.stand import Stand, stand
from tests.support.clusters import is_alive, until
from tests.support.history import History, Verdict

CALM_S = (0.5, 1.5)
"""Between a recovery and the next fault."""
GIVEN_UP_S = 30.0


@click.command()
@click.option("--seed", type=int, help="Repeats the order and the moments of a run; none: a new one, printed.")
@click.option("--only", type=click.Choice(sorted(faults.FAULTS)), multiple=True, help="These faults alone.")
@click.option("--scale", type=click.FloatRange(0.05, 100), default=1.0, show_default=True, help="Of how often each.")
@click.option("--producers", type=click.IntRange(2, 64), default=8, show_default=True, help="Half of them with keys.")
def chaos(seed: int | None, only: tuple[str, ...], scale: float, producers: int) -> None:
    """Hurt a service under load; exit with 1 when a promise was not kept."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every `finally` is seen to
    seed = SystemRandom().randrange(2**32) if seed is None else seed
    random, run, history = Random(seed), Run(seed), History()
    kinds = [
        kind
        for kind, (_fault, times) in faults.FAULTS.items()
        for _ in range(max(1, round(times * scale)))
        if not only or kind in only
    ]
    random.shuffle(kinds)
    print(f"seed {seed}, {len(kinds)} faults", flush=True)
    began_at = time.monotonic()
    named = os.environ.get("ROWLINE_POSTGRES_BIN")
    with stand(Path(named) if named else None) as place:
        with Load(place.server.port, history, seed=seed, producers=producers) as load:
            until(lambda: history.acknowledged > 100, within_s=15)
            for kind in kinds:
                time.sleep(random.uniform(*CALM_S))
                hurt(place, load, run, kind, random)
            assert load.is_whole, "a producer has died: its traceback stands above"
        until(lambda: faults.back(place), within_s=GIVEN_UP_S)
        verdict = history.check(place.stored())
    end(run, verdict, load, seconds=time.monotonic() - began_at)


def hurt(place: Stand, load: Load, run: Run, kind: str, random: Random) -> None:
    """Do one fault; wait until the service works again, and note how long that took and who is gone."""
    before = place.api
    harm = faults.FAULTS[kind][0](place, random)
    ends_at = time.monotonic() + GIVEN_UP_S
    while (answered := load.answered_after(harm.over_at)) is None and time.monotonic() < ends_at:
        time.sleep(0.01)
    took_s = answered.ended_at - harm.over_at if answered else GIVEN_UP_S
    run.faults[kind] += 1
    run.recoveries_s.setdefault(kind, []).append(took_s)
    if gone := [pid for pid in before if pid not in harm.killed and not is_alive(pid)]:
        run.violations.append(f"{kind}: processes of the API are gone that nobody killed: {gone}")
    print(f"{kind}: {'a' if answered else 'no'} 200 after {took_s:.2f} s", flush=True)


def end(run: Run, verdict: Verdict, load: Load, *, seconds: float) -> None:
    """Print the table and end with 0, or with 1 and what was broken."""
    print(f"\n{report.table(run, verdict, load.replies, seconds=seconds)}")
    broken = report.judge(run, verdict, load.replies)
    for violation in broken:
        print(f"VIOLATION {violation}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    chaos()
