"""What a worker has to tell the database about attempts: kept until it could be told."""

import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from app.domain import attempts, jsontext
from app.domain.job import Completion, Failure, JsonText, Lease, LeaseKey
from app.domain.jsontext import UnstorableJson
from app.infra.database import Database
from app.infra.settings import Settings
from app.operations import settle
from app.runners.leases import Held

_log = logging.getLogger(__name__)


class Endings:
    """Outcomes of attempts on one queue, settled in batches."""

    def __init__(self, settings: Settings, db: Database, held: Held, *, queue: str) -> None:
        """Have nothing to tell yet."""
        self._settings, self._db, self._held, self._queue = settings, db, held, queue
        self._random = Random()  # noqa: S311 - jitter is no secret
        self._completions: list[Completion] = []
        self._failures: list[Failure] = []
        self._released: list[LeaseKey] = []
        self._dead: list[LeaseKey] = []

    def __bool__(self) -> bool:
        """Whether there is something left to tell."""
        return any((self._completions, self._failures, self._released, self._dead))

    def add(self, lease: Lease, outcome: dict[str, Any]) -> None:
        """Note what a handler process said of an attempt."""
        if "result" in outcome:
            try:
                self._completions.append(Completion(lease=lease.key, result=self._storable(outcome["result"])))
            except UnstorableJson as error:
                outcome = {"reason": f"the handler's result {error}", "stack": None, "unrecoverable": False}
            else:
                return
        self._failures.append(
            Failure(
                lease=lease.key,
                reason=attempts.clean_reason(outcome["reason"]),
                stack=outcome["stack"] and attempts.clean_stack(outcome["stack"]),
                unrecoverable=outcome["unrecoverable"],
            )
        )

    def _storable(self, result: str) -> JsonText:
        limit = self._settings.max_data_bytes
        if len(result) > limit:
            raise UnstorableJson(f"must be at most {limit} bytes, not {len(result)}")
        return jsontext.whole(result)

    def release(self, leases: Sequence[Lease]) -> None:
        """Note that jobs were not begun, or were ended by our own stop: they go back unharmed."""
        self._released += [lease.key for lease in leases]

    def give_up(self, leases: Sequence[Lease]) -> None:
        """Note that the process which ran these jobs died of itself: they have stalled."""
        self._dead += [lease.key for lease in leases]

    def settle(self) -> None:
        """Tell the database, each kind in a transaction. What could not be told stays. Raises DatabaseError."""
        db, queue = self._db, self._queue
        self._tell(
            self._completions,
            lambda told: settle.complete(db, queue=queue, completions=told),
            lambda completion: completion.lease,
        )
        self._tell(
            self._failures,
            lambda told: settle.fail(db, queue=queue, failures=told, random=self._random),
            lambda failure: failure.lease,
        )
        self._tell(self._released, lambda told: settle.release(db, queue=queue, held=told), lambda key: key)
        self._tell(
            self._dead,
            lambda told: settle.give_up(db, queue=queue, held=told, max_stalled_count=self._settings.max_stalled_count),
            lambda key: key,
        )

    def _tell(
        self, endings: list[Any], tell: Callable[[list[Any]], set[int]], lease: Callable[[Any], LeaseKey]
    ) -> None:
        if not endings:
            return
        settled = tell(endings)
        numbers = [lease(ending).number for ending in endings]
        for number in numbers:
            if number not in settled:
                _log.warning("lease_lost", extra={"queue": self._queue, "job": number})
        self._held.drop(numbers)
        endings.clear()
