"""Whose turn it is to look what time has brought: one process does it for all, and nobody appoints it.

Who looks says so by a pulse, in the same statement. Who hears the pulses of another leaves it to that one; who hears
none for a while looks itself, and goes on. So the next process takes over within a second when that one dies, hangs, or
is cut off. Two that do it at once do no harm: all that they do skips what others are at. By the pulses each process
knows as well whether wake-ups come through (`app/infra/hearing.py`); where none does, each looks for itself.

Whoever may log in to the database can send pulses, and do nothing. So each process makes one round, now and then,
whatever it hears.
"""

import os
import random
import secrets
import socket
import time
from collections.abc import Callable

from app.infra.database import Database
from app.infra.hearing import PULSE
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


class Rounds:
    """The part of one process in it. `loop` is what to start."""

    def __init__(self, db: Database, *, beat_s: float = BEAT_S, on_look: Callable[[Look, bool], None]) -> None:
        """Prepare. `on_look` gets what each look of this process found, and whether the rounds were not its own yet."""
        self._db, self._beat_s, self._on_look = db, beat_s, on_look
        self._name = f"{secrets.token_hex(4)}:{socket.gethostname()}:{os.getpid()}"
        self._last_at = time.monotonic()  # when somebody looked, as far as we know, or we tried to
        self._trusts_until = self._last_at + random.uniform(*TRUST_S)  # noqa: S311 - no secret
        self._yields_at = 0.0  # before, no pulse counts
        self.are_ours = False
        """Whether this process does what there is to do."""
        self.loop = Loop("rounds", interval_s=self._pause_s, tick=self._tick)
        db.hear(PULSE, self._hear)

    def pass_on(self) -> None:
        """Leave the rounds to another process, if there is one, since this one could not do what there is to do."""
        self.are_ours = False
        self._last_at = time.monotonic() + self._beat_s

    def _hear(self, word: str) -> None:
        """Note a pulse. Of two processes that look, the one whose name comes first goes on."""
        if not word:  # we began to listen, and may have missed some
            return
        self._db.hearing.prove()
        self._last_at = max(self._last_at, time.monotonic())
        if word < self._name and time.monotonic() >= self._yields_at:
            self.are_ours = False

    def _pause_s(self) -> float:
        is_next = self.are_ours and self._db.hearing.is_proved
        beats = 1.0 if is_next else random.uniform(*PATIENCE)  # noqa: S311 - no secret
        looks_at = min(self._last_at + beats * self._beat_s, self._trusts_until)
        return max(LEAST_PAUSE_S, looks_at - time.monotonic())

    def _tick(self) -> None:
        self._db.hearing.check()
        now = time.monotonic()
        somebody_looks = not self.are_ours and now < self._last_at + PATIENCE[0] * self._beat_s
        if somebody_looks and now < self._trusts_until:
            return
        self._trusts_until = now + random.uniform(*TRUST_S)  # noqa: S311 - no secret
        if somebody_looks:
            self._yields_at = now + OWN_ROUND_S
        self._last_at = now
        were_ours, self.are_ours = self.are_ours, True
        try:
            found = maintain.look(self._db, word=None if somebody_looks else self._name)
        except BaseException:
            self.are_ours = False
            raise
        self._on_look(found, not were_ours)
