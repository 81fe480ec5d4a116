"""What the process does that makes the rounds for all: it makes the steps of plans."""

import time

from app.maintenance.plans import PlanRunner
from app.postgres.database import Database


def run(db: Database) -> None:
    """Make steps until no plan goes on by itself."""
    runner = PlanRunner(db)
    runner.tick()
    while (pause_s := runner.pause_s()) is not None:
        time.sleep(pause_s)
        runner.tick()
