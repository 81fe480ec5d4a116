"""SQL that adds up what stands in queues and what happened in them, made from one list of each.

What stands in a queue is how many jobs it has in each status. What happened is counted by the minute, the hour and the
day, and in totals that never fall; with how many jobs waited and ran how long, by buckets (`app/domain/durations.py`).
"""

from collections.abc import Sequence

from app.domain import durations
from app.domain.series import COUNTS
from app.domain.states import Status

STANDING = tuple(status.replace("-", "_") for status in Status)
TOTALS = (*COUNTS[:4], "removed", "attempts_failed", *COUNTS[4:5], "released", *COUNTS[5:])
HISTOGRAMS = ("wait", "run")


def _lines(parts: Sequence[str]) -> str:
    return ",\n".join(parts) + "\n"


def _more(column: str) -> str:
    return f"{column} = existing.{column} + excluded.{column}"


def _more_of_each(prefix: str, counts: Sequence[str]) -> list[str]:
    """Return how an upsert adds to a row the counts and the histograms of another."""
    return [_more(f"{prefix}{name}") for name in counts] + [
        assignment
        for what in HISTOGRAMS
        for assignment in (_more_buckets(f"{prefix}{what}s"), _more(f"{prefix}{what}_s"))
    ]


def _more_buckets(column: str) -> str:
    together = f"from unnest(existing.{column}, excluded.{column}) with ordinality as pair (one, other, nth)"
    return (
        f"{column} = case when excluded.{column} is null then existing.{column} else array(\n"
        f"    select coalesce(one, 0) + coalesce(other, 0) {together} order by nth\n"
        ") end"
    )


def _together(column: str) -> str:
    """Return a histogram of several rows, bucket by bucket; null of none.

    As an aggregate, `report.sum_counts`, it takes several times as long.
    """
    sums = ", ".join(f"coalesce(sum({column}[{nth}]), 0)" for nth in range(1, durations.BUCKETS + 1))
    return f"case when count({column}) > 0 then array[{sums}]::bigint[] end\n"


_TALLIED = ", ".join([*COUNTS, *(f"{what}{end}" for what in HISTOGRAMS for end in ("s", "_s"))])
_ALL = ", ".join(
    [
        *(f"sum(gone.{name})::bigint as {name}" for name in COUNTS),
        *(f"sum(gone.{what}_s) as {what}_s" for what in HISTOGRAMS),
        *(f"{_together(f'gone.{what}s').strip()} as {what}s" for what in HISTOGRAMS),
    ]
)


def _rolled(period: str, longer: str, *, kept: str) -> str:
    """Return how the oldest periods, :limit rows at most that began more than `kept` ago, become longer ones.

    Rows are named by ctid, which cannot change meanwhile, because they are locked; locked ones are skipped.
    """
    table = f"rowline.job_{period}s"
    return f"""old as (
    select ctid from {table}
    where {period} < statement_timestamp() - {kept}
    order by {period}, queue
    limit :limit
    for update skip locked
),
gone as (
    delete from {table} where ctid = any(array(select ctid from old))
    returning {period}, queue, {_TALLIED}
),
kept as (
    insert into rowline.job_{longer}s as existing ({longer}, queue, {_TALLIED})
    select {longer}, queue, {_TALLIED}
    from (
        select date_bin('1 {longer}', gone.{period}, timestamptz 'epoch') as {longer}, gone.queue, {_ALL}
        from gone
        group by 1, 2
        order by 1, 2
    ) as rolled
    on conflict ({longer}, queue) do update
    set {_lines(_more_of_each("", COUNTS)).strip()}
)
"""  # noqa: S608 - of the names above


FRAGMENTS = {
    "standing": _lines([f"coalesce(sum({status}), 0)::bigint as {status}" for status in STANDING]),
    "more_standing": _lines([_more(status) for status in STANDING]),
    "now_standing": _lines([f"{status} = excluded.{status}" for status in STANDING]),
    "tally": _lines(_more_of_each("", COUNTS)),
    "totals": _lines(
        [*_more_of_each("total_", TOTALS), "active_at = coalesce(excluded.active_at, existing.active_at)"]
    ),
    "all_totals": _lines([f"coalesce(sum(total_{name}), 0)::bigint as total_{name}" for name in TOTALS]),
    "rolled_minutes": _rolled("minute", "hour", kept=":keep_minutes * interval '1 minute'"),
    "rolled_hours": _rolled("hour", "day", kept=":keep_days * interval '1 day'"),
    **{f"all_{what}s": _together(f"{what}s") for what in HISTOGRAMS},
}
"""`standing`: of several rows together; `more_standing`, `now_standing`: what an upsert adds, or puts in its place.
`tally` and `totals`: what one adds to a period, and to the totals; `rolled_minutes`, `rolled_hours`: how periods become
longer ones; `all_totals`, `all_waits`, `all_runs`: of several rows."""
