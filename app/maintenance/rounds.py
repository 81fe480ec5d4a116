"""Leader election for the maintainer: one process makes the rounds for all, without locks.

The process that makes the rounds sends a pulse, a NOTIFY with its name, in the same statement. A process that receives
pulses of another one leaves the rounds to it; one that receives none for a while takes over. So another process takes
over within a second when the first dies, hangs or is disconnected. Two at once do no harm, since their statements skip
locked rows. The pulses also prove to each process that NOTIFYs arrive (`app/postgres/wakeups.py`); where none do, each
process makes its own rounds.

Any role that can log in to the database could send pulses without doing the work. So each process makes one round now
and then, whatever it receives.

Each NOTIFY wakes all listening connections, a pulse like one for a job. So a process that listens to nothing else, such
as an API process without waiting claims, leaves the rounds to workers and dispatchers, and listens for pulses only now
and then. While it listens for a claim it receives the pulses too, and notices when they stop.
"""

import os
import random
import secrets
import socket
import time
from collections.abc import Callable

from app.maintenance.attendance import Attendance
from app.maintenance.loop import Loop
from app.operations import maintenance
from app.operations.maintenance import PendingWork
from app.postgres.database import Database
from app.postgres.wakeups import PROOF_S, PULSE

ROUND_S = 0.5
PATIENCE = (1.5, 1.9)
"""After how many beats without a pulse a process takes over: below two, so that due jobs are seen within a second."""
LEAST_PAUSE_S = 0.01
TRUST_S = (60.0, 90.0)
"""How long a process trusts pulses of others; then it makes a round of its own."""
OWN_ROUND_S = 0.4
"""How long pulses are ignored for such a round; less than a beat."""
UNABLE_S = 60.0
"""How long a process whose round failed has the lowest priority."""
LOW_PRIORITY = "~"
"""The prefix of the names of processes with the lowest priority: it sorts after all others."""
RESTS_S = (20.0, 40.0)
"""How long such a process does not listen for pulses once it has received one of another kind of process."""


class Rounds:
    """The rounds of one process. `loop` is to be started."""

    def __init__(
        self,
        db: Database,
        *,
        round_s: float = ROUND_S,
        on_look: Callable[[PendingWork, bool], None],
        is_low_priority: bool = False,
    ) -> None:
        """Prepare. `on_look` gets what a round of this process found, and whether the process has just taken over.

        `is_low_priority`: take over only if all other processes have low priority too. `round_s` is the interval of the
        rounds.
        """
        self._db, self._round_s, self._on_look, self._is_low_priority = db, round_s, on_look, is_low_priority
        self._own_name = f"{secrets.token_hex(4)}:{socket.gethostname()}:{os.getpid()}"
        self._unable_until = 0.0
        self._rests_until = 0.0
        self._last_at = time.monotonic()  # of the last round of any process, as far as known, or of an attempt at one
        self._trusts_until = self._last_at + random.uniform(*TRUST_S)  # noqa: S311 - no secret
        self._sent_at: float | None = None  # of a pulse of this process that has not come back
        self._ignores_until = 0.0  # until then pulses of others are ignored
        self.attendance = Attendance()
        self.is_leader = False
        """Whether this process makes the rounds for all."""
        self.loop = Loop("rounds", interval_s=self._pause_s, tick=self._tick)
        db.listen_payloads(PULSE, self._on_pulse)

    def resign(self) -> None:
        """Leave the rounds to another process, if there is one, because the work failed in this one.

        It has the lowest priority for a while, so that other processes do not rely on its pulses.
        """
        self.is_leader = False
        self._last_at = time.monotonic() + self._round_s
        self._unable_until = time.monotonic() + UNABLE_S

    @property
    def _has_low_priority(self) -> bool:
        return self._is_low_priority or time.monotonic() < self._unable_until

    @property
    def _name(self) -> str:
        return f"{LOW_PRIORITY if self._has_low_priority else ''}{self._own_name}"

    def _on_pulse(self, word: str) -> None:
        """Handle a pulse. Of two processes that make the rounds, the one whose name sorts first goes on."""
        if not word:  # not a pulse: listening has just begun
            if self._rests_until:  # from now on, silence means that they have stopped
                self._last_at = time.monotonic()
                self.loop.hurry()
            return
        self._db.wakeups.prove()
        if word.removeprefix(LOW_PRIORITY) == self._own_name and self._sent_at is not None:
            self._db.wakeups.round_trip_s, self._sent_at = time.monotonic() - self._sent_at, None
        is_of_last, now = word.startswith(LOW_PRIORITY), time.monotonic()
        if is_of_last and not self._has_low_priority:
            return  # it will leave the rounds to this process
        self._last_at = max(self._last_at, now)
        self.attendance.hear()
        if word < self._name and now >= self._ignores_until:
            self.is_leader = False
            if self._is_low_priority and not is_of_last:
                self._rest(random.uniform(*RESTS_S))  # noqa: S311 - no secret

    def _rest(self, rest_s: float) -> None:
        """Do not listen for pulses for `rest_s`; with 0, listen again."""
        self._last_at = time.monotonic()
        self._rests_until = self._last_at + rest_s if rest_s else 0.0
        self._db.listen_only_beside(PULSE, is_resting=bool(rest_s))

    @property
    def _hears_nothing(self) -> bool:
        """Whether it listens to nothing at all: then a missing pulse proves nothing."""
        return bool(self._rests_until) and not self._db.hears(PULSE)

    def _pause_s(self) -> float:
        if self._hears_nothing:
            hears_till = time.monotonic() + PROOF_S if self._db.wakeups.is_proved else self._rests_until
            return max(LEAST_PAUSE_S, min(self._rests_until, self._trusts_until, hears_till) - time.monotonic())
        is_next = self.is_leader and self._db.wakeups.is_proved
        beats = 1.0 if is_next else random.uniform(*PATIENCE)  # noqa: S311 - no secret
        looks_at = min(self._last_at + beats * self._round_s, self._trusts_until)
        return max(LEAST_PAUSE_S, looks_at - time.monotonic())

    def _tick(self) -> None:
        self._db.wakeups.check()
        now = time.monotonic()
        if self._rests_until and now >= self._rests_until:
            self._rest(0.0)
        is_heard = self._hears_nothing or now < self._last_at + PATIENCE[0] * self._round_s
        has_other_leader = not self.is_leader and is_heard
        if has_other_leader and now < self._trusts_until:
            return
        self._trusts_until = now + random.uniform(*TRUST_S)  # noqa: S311 - no secret
        if has_other_leader:
            self._ignores_until = now + OWN_ROUND_S
        elif self._rests_until:
            self._rest(0.0)
        self._last_at = now
        were_ours, self.is_leader = self.is_leader, True
        self._sent_at = None if has_other_leader else time.monotonic()
        try:
            found = maintenance.look(self._db, word=None if has_other_leader else self._name)
        except BaseException:
            self.is_leader = False
            raise
        self.attendance.look(found.now_ms, is_beside=has_other_leader)
        self._on_look(found, not were_ours)
