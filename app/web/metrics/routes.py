"""The metrics, as Prometheus scrapes them: of the database, the same from any process, and of this node's API."""

import logging
import threading
import time

from flask import Blueprint, Response

from app.domain.metrics import Figures
from app.domain.tokens import Action
from app.infra.metrics import CONTENT_TYPE, ProcessMetrics
from app.postgres.database import Database, DatabaseError
from app.queries import metrics as queries
from app.web import describe
from app.web.metrics import shown

_log = logging.getLogger(__name__)
FRESH_S = 1.0
"""A process makes the metrics at most so often, however many ask for them."""


def blueprint(db: Database, process: ProcessMetrics) -> Blueprint:
    """Return the route of the metrics."""
    routes = Blueprint("metrics", __name__)
    scrape = Scrape(db, process)

    @routes.get("/metrics")
    @describe.route(action=Action.METRICS, gives="text/plain")
    def get_metrics() -> Response:
        """Get the metrics, for Prometheus."""
        return Response(scrape.text(), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    return routes


class Scrape:
    """Makes the metrics, at most once in FRESH_S. Thread-safe: who asks meanwhile waits for what is being made."""

    def __init__(self, db: Database, process: ProcessMetrics) -> None:
        """Make them of `db`, and of what `process` knows."""
        self._db, self._process = db, process
        self._making = threading.Lock()
        self._made: tuple[float, bytes] = (0.0, b"")  # good until, on the monotonic clock
        self._is_away = False

    def text(self) -> bytes:
        """Return the metrics; without those of the database if it cannot be read."""
        until, text = self._made
        if time.monotonic() < until:
            return text
        with self._making:
            if time.monotonic() >= self._made[0]:
                text = shown.database(self._figures()).encode() + self._process.text()
                self._made = (time.monotonic() + FRESH_S, text)
            return self._made[1]

    def _figures(self) -> Figures | None:
        try:
            found = queries.figures(self._db)
        except DatabaseError as error:
            if not self._is_away:
                _log.warning("metrics_without_database", extra={"cause": str(error)})
            self._is_away = True
            return None
        self._is_away = False
        return found
