"""What time brings, noticed by every process that lives: due jobs join the line, stalled ones go back to it."""

import logging
from random import Random

from app.infra.database import Database
from app.infra.settings import Settings
from app.operations import maintain
from app.runners.loop import Loop

_log = logging.getLogger(__name__)

FOLD_S = 0.5  # some thousand deltas on a busy machine: what reading counts has to add up
FORGET_S = 60.0


def start(settings: Settings, db: Database) -> list[Loop]:
    """Start the loops in threads of this process. They need no leader: rows are skipped that another one holds."""
    random = Random()  # noqa: S311 - spreads retries, guards nothing

    def promote() -> None:
        for queue in maintain.promote_due(db):
            db.announce(queue)

    def recover() -> None:
        for queue, jobs in maintain.recover_stalled(db, max_stalled_count=settings.max_stalled_count).items():
            _log.warning("stalled_recovered", extra={"queue": queue, "jobs": jobs})
            db.announce(queue)

    def time_out() -> None:
        for queue, jobs in maintain.time_out(db, random=random).items():
            _log.warning("timed_out", extra={"queue": queue, "jobs": jobs})
            db.announce(queue)

    def forget() -> None:
        maintain.forget_keys(db, keep_ms=settings.keep_keys_ms)

    def fold() -> None:
        maintain.fold_counts(db)

    loops = [
        Loop("promote", interval_s=settings.promote_ms / 1000, tick=promote),
        Loop("recover", interval_s=settings.recover_ms / 1000, tick=recover),
        Loop("time_out", interval_s=settings.recover_ms / 1000, tick=time_out),
        Loop("fold", interval_s=FOLD_S, tick=fold),
        Loop("forget", interval_s=FORGET_S, tick=forget),
    ]
    for loop in loops:
        loop.start()
    return loops
