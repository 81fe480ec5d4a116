"""Has the metrics of this process know of its database: who waits for a connection, how many are in use."""

from app.infra import metricserver
from app.infra.metrics import ProcessMetrics
from app.infra.settings import Settings
from app.maintenance.loop import Loop
from app.postgres.database import Database

SAMPLE_S = 1.0


def watch(db: Database, process: ProcessMetrics) -> Loop:
    """Note waits for connections as they end, and look each second at what changes all the time."""
    db.on_wait = process.note_pool_wait

    def look() -> None:
        process.sample(in_use=db.in_use, round_trip_s=db.wakeups.round_trip_s)

    loop = Loop("sample", interval_s=SAMPLE_S, tick=look)
    loop.start()
    return loop


def serve(settings: Settings, db: Database | None) -> ProcessMetrics | None:
    """Serve the metrics of this process, with those of `db`, on ROWLINE_METRICS_PORT; None if that is not set.

    Raises SettingsError if it cannot listen there.
    """
    if settings.metrics_port is None:
        return None
    process = ProcessMetrics()
    if db is not None:
        watch(db, process)
    metricserver.start(process.text, host=settings.host, port=settings.metrics_port)
    return process
