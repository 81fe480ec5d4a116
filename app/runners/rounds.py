"""Whose turn it is to look what time has brought: one process does it for all, and nobody appoints it.

Who looks says so by a pulse, in the same statement. Who hears the pulses of another leaves it to that one; who hears
none for a while looks itself, and goes on. So the next process takes over within a second when that one dies, hangs, or
is cut off. Two that do it at once do no harm: all that they do skips what others are at. By the pulses each process
knows as well whether wake-ups come through (`app/infra/wakeups.py`); where none does, each looks for itself.

Whoever may log in to the database can send pulses, and do nothing. So each process makes one round, now and then,
whatever it hears.

Each NOTIFY wakes all connections that listen, that of a job too. So a process that listens to nothing else, as the
API's do while no claim waits, leaves the rounds to workers and dispatchers, and hears seldom whether one is there.
While it listens for a claim it hears the pulses too, and so their end.
"""

import os
import random
import secrets
import socket
import time
from collections.abc import Callable

from app.infra.database import Database
from app.infra.wakeups import PROOF_S, PULSE
from app.operations import maintain
from app.operations.maintain import Look
from app.runners.loop import Loop

BEAT_S = 0.5
PATIENCE = (1.5, 1.9)
"""How many beats without a pulse are too many. Less than two, so that what is due is seen within a second."""
LEAST_PAUSE_S = 0.01
TRUST_S = (60.0, 90.0)
"""For how long pulses are believed: then comes a round in spite of them."""
OWN_ROUND_S = 0.4
"""How long such a round may take to begin, less than a beat."""
UNABLE_S = 60.0
"""For how long a process that could not do what there was to do comes last."""
LAST = "~"
"""How the names of processes begin that come last."""
RESTS_S = (20.0, 40.0)
"""For how long such a process does not listen for the pulse of one that comes before it."""


class Rounds:
    """The part of one process in it. `loop` is what to start."""

    def __init__(
        self, db: Database, *, beat_s: float = BEAT_S, on_look: Callable[[Look, bool], None], is_last: bool = False
    ) -> None:
        """Prepare. `on_look` gets what each look of this process found, and whether the rounds were not its own yet.

        `is_last`: makes the rounds only where all that listen are so.
        """
        self._db, self._beat_s, self._on_look, self._is_last = db, beat_s, on_look, is_last
        self._own_name = f"{secrets.token_hex(4)}:{socket.gethostname()}:{os.getpid()}"
        self._unable_until = 0.0
        self._rests_until = 0.0
        self._last_at = time.monotonic()  # when somebody looked, as far as we know, or we tried to
        self._trusts_until = self._last_at + random.uniform(*TRUST_S)  # noqa: S311 - no secret
        self._yields_at = 0.0  # before, no pulse counts
        self.are_ours = False
        """Whether this process does what there is to do."""
        self.loop = Loop("rounds", interval_s=self._pause_s, tick=self._tick)
        db.listen_payloads(PULSE, self._hear)

    def pass_on(self) -> None:
        """Leave the rounds to another process, if there is one, since this one could not do what there is to do.

        It comes last for a while, so that those who come last do not rest on its word.
        """
        self.are_ours = False
        self._last_at = time.monotonic() + self._beat_s
        self._unable_until = time.monotonic() + UNABLE_S

    @property
    def _comes_last(self) -> bool:
        return self._is_last or time.monotonic() < self._unable_until

    @property
    def _name(self) -> str:
        return f"{LAST if self._comes_last else ''}{self._own_name}"

    def _hear(self, word: str) -> None:
        """Note a pulse. Of two processes that look, the one whose name comes first goes on."""
        if not word:  # we began to listen, and may have missed some
            if self._rests_until:  # then silence says something again
                self._last_at = time.monotonic()
                self.loop.hurry()
            return
        self._db.wakeups.prove()
        is_of_last, now = word.startswith(LAST), time.monotonic()
        if is_of_last and not self._comes_last:
            return  # it leaves the rounds to us
        self._last_at = max(self._last_at, now)
        if word < self._name and now >= self._yields_at:
            self.are_ours = False
            if self._is_last and not is_of_last:
                self._rest(random.uniform(*RESTS_S))  # noqa: S311 - no secret

    def _rest(self, rest_s: float) -> None:
        """Listen for no pulse for a while, or, with 0, again."""
        self._last_at = time.monotonic()
        self._rests_until = self._last_at + rest_s if rest_s else 0.0
        self._db.rest_from(PULSE, is_resting=bool(rest_s))

    @property
    def _is_deaf(self) -> bool:
        """Whether it rests, and listens to nothing else either: then that it hears no pulse says nothing."""
        return bool(self._rests_until) and not self._db.hears(PULSE)

    def _pause_s(self) -> float:
        if self._is_deaf:
            hears_till = time.monotonic() + PROOF_S if self._db.wakeups.is_proved else self._rests_until
            return max(LEAST_PAUSE_S, min(self._rests_until, self._trusts_until, hears_till) - time.monotonic())
        is_next = self.are_ours and self._db.wakeups.is_proved
        beats = 1.0 if is_next else random.uniform(*PATIENCE)  # noqa: S311 - no secret
        looks_at = min(self._last_at + beats * self._beat_s, self._trusts_until)
        return max(LEAST_PAUSE_S, looks_at - time.monotonic())

    def _tick(self) -> None:
        self._db.wakeups.check()
        now = time.monotonic()
        if self._rests_until and now >= self._rests_until:
            self._rest(0.0)
        is_heard = self._is_deaf or now < self._last_at + PATIENCE[0] * self._beat_s
        somebody_looks = not self.are_ours and is_heard
        if somebody_looks and now < self._trusts_until:
            return
        self._trusts_until = now + random.uniform(*TRUST_S)  # noqa: S311 - no secret
        if somebody_looks:
            self._yields_at = now + OWN_ROUND_S
        elif self._rests_until:
            self._rest(0.0)
        self._last_at = now
        were_ours, self.are_ours = self.are_ours, True
        try:
            found = maintain.look(self._db, word=None if somebody_looks else self._name)
        except BaseException:
            self.are_ours = False
            raise
        self._on_look(found, not were_ours)
