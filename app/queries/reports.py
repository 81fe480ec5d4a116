"""The queries of `rowline report` on the views of the schema `report`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, Text, bindparam, column, func, literal_column, select, table

from app.postgres.database import Database

MINUTES, HOURS = timedelta(hours=3), timedelta(days=3)
"""Reports over at most MINUTES have periods of a minute, over at most HOURS of an hour, else of a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The query of a view: its columns, the column `moment` that bounds it in time, if any, and its order."""

    columns: Sequence[str] = ("*",)
    moment: str | None = None
    order: Sequence[str] = ("queue",)
    is_newest_first: bool = False
    is_by_period: bool = False
    unit: str = "hour"  # `moment` is compared with the begin of such a unit, if it is `from_at` of no chosen period


@dataclass(frozen=True, slots=True)
class Found:
    """The result: the names of the columns, and the rows."""

    columns: list[str]
    rows: list[Sequence[Any]]


_JOB = (
    "queue",
    "id",
    "name",
    "status",
    "added_at",
    "finished_at",
    "wait_s",
    "run_s",
    "attempts_made",
    "worker",
    "reason",
)
_ATTEMPT = ("queue", "id", "name", "nth", "outcome", "worker", "started_at", "ended_at", "run_s", "reason")
_QUEUE = (
    *("queue", "waiting", "prioritized", "delayed", "active", "waiting_children", "completed", "failed"),
    *("oldest_ready_at", "oldest_ready_s", "next_due_at", "longest_run_s", "finished_5m", "drain_s"),
    *("paused_at", "paused_by", "pause_reason"),
)
"""Those that fit a screen; `rowline queues` shows the rates, and the report `minutes` what they are made of."""
_SERIES = (
    *("per", "from_at", "queue", "added", "claimed", "completed", "failed", "retried", "stalled"),
    *("wait_s", "run_s"),
)
"""Without the histograms, of which `latency` tells."""

REPORTS = {
    "arrivals": Report(moment="from_at", order=("from_at", "queue")),
    "attempts": Report(columns=_ATTEMPT, moment="until_at", order=("until_at",), is_newest_first=True),
    "attention": Report(order=("since_at",)),
    "counts": Report(),
    "endpoints": Report(),
    "failures": Report(moment="from_at", order=("from_at", "failures"), is_newest_first=True, unit="day"),
    "jobs": Report(columns=_JOB, moment="finished_at", order=("finished_at",), is_newest_first=True),
    "latency": Report(moment="from_at", order=("from_at", "queue"), is_by_period=True),
    "minutes": Report(moment="from_at", order=("from_at", "queue"), unit="minute"),
    "queues": Report(columns=_QUEUE),
    "queue_workers": Report(order=("queue", "worker", "way")),
    "retention": Report(order=("queue", "status")),
    "schedules": Report(order=("queue", "id")),
    "series": Report(columns=_SERIES, moment="from_at", order=("from_at", "queue"), is_by_period=True),
    "storage": Report(order=('"table"',)),
    "throughput": Report(moment="from_at", order=("from_at", "queue"), is_by_period=True),
    "workers": Report(order=("worker",)),
}
"""The reports, by the names of their views."""
_WITHOUT_QUEUE = {"storage"}


def per(since: timedelta) -> str:
    """Return the length of the periods of a report over `since`."""
    return "minute" if since <= MINUTES else "hour" if since <= HOURS else "day"


def ask(db: Database, *, name: str, since: timedelta, queue: str | None = None, limit: int = 1_000) -> Found:
    """Read up to `limit` rows of the report `name`, since `since` ago; only of `queue` if it is given."""
    asked = _select(REPORTS[name], name, per(since), limit, is_of_queue=queue is not None)
    values = {"since": since, "queue": queue, "queues": [queue]}
    with db.read() as conn:
        conn.exec_driver_sql("set local enable_bitmapscan = on")  # it is off for pages
        found = conn.execute(asked, {key: values[key] for key in asked.compile().params if key in values})
        return Found(list(found.keys()), [tuple(row) for row in found])


def _select(report: Report, name: str, period: str, limit: int, *, is_of_queue: bool) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [literal_column(name) for name in report.columns]
    asked: Select[Any] = select(*columns).select_from(table(name, schema="report"))
    if report.moment:
        begin = func.statement_timestamp() - bindparam("since")
        if report.moment == "from_at":
            begin = func.date_trunc(period if report.is_by_period else report.unit, begin)
        asked = asked.where(column(report.moment) >= begin)
    if report.is_by_period:
        asked = asked.where(column("per") == literal_column(f"'{period}'"))
    if is_of_queue and name == "workers":
        asked = asked.where(column("queues").op("@>")(bindparam("queues", type_=ARRAY(Text))))
    elif is_of_queue and name not in _WITHOUT_QUEUE:
        asked = asked.where(column("queue") == bindparam("queue"))
    order: list[ColumnElement[Any]] = [literal_column(by) for by in report.order]
    return asked.order_by(*(by.desc() if report.is_newest_first else by for by in order)).limit(limit)
