-- Returns what happened in :queue in each period of :step seconds from :from_at until before :to_at, of UTC, in their order;
-- periods in which nothing happened are not among them. :has_hours and :has_days: whether hours and days are read too, of
-- which a period of minutes has none. A minute is in one of the three tables: old ones become hours, and old hours days.
-- One probe for each minute, hour and day that is kept and asked for: the keys begin with the time.
-- Indexes: job_minutes_pkey, job_hours_pkey, job_days_pkey.
with minutes as (
    select minute as at, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
    from rowline.job_minutes
    where queue = :queue and minute = any(array(
        select at
        from generate_series(
            (
                select greatest(minute, date_bin('1 minute', :from_at::timestamptz, timestamptz 'epoch'))
                from rowline.job_minutes
                order by minute, queue
                limit 1
            ),
            least(:to_at::timestamptz, statement_timestamp()),
            interval '1 minute'
        ) as past (at)
        where at < :to_at::timestamptz
    ))
),
hours as (
    select hour as at, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
    from rowline.job_hours
    where queue = :queue and :has_hours::boolean and hour = any(array(
        select at
        from generate_series(
            (
                select greatest(hour, date_bin('1 hour', :from_at::timestamptz, timestamptz 'epoch'))
                from rowline.job_hours
                order by hour, queue
                limit 1
            ),
            least(:to_at::timestamptz, statement_timestamp()),
            interval '1 hour'
        ) as past (at)
        where at < :to_at::timestamptz
    ))
),
days as (
    select day as at, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
    from rowline.job_days
    where queue = :queue and :has_days::boolean and day = any(array(
        select at
        from generate_series(
            (
                select greatest(day, date_bin('1 day', :from_at::timestamptz, timestamptz 'epoch'))
                from rowline.job_days
                order by day, queue
                limit 1
            ),
            least(:to_at::timestamptz, statement_timestamp()),
            interval '24 hours'
        ) as past (at)
        where at < :to_at::timestamptz
    ))
)
select
    date_bin(:step * interval '1 second', at, timestamptz 'epoch') as from_at,
    sum(added)::bigint as added, sum(claimed)::bigint as claimed, sum(completed)::bigint as completed,
    sum(failed)::bigint as failed, sum(retried)::bigint as retried, sum(stalled)::bigint as stalled,
    sum(wait_s) as wait_s, sum(run_s) as run_s,
    :_all_waits
    as waits,
    :_all_runs
    as runs
from (
    select at, added, claimed, completed, failed, retried, stalled, waits::bigint[], wait_s, runs::bigint[], run_s
    from minutes
    union all
    select * from hours
    union all
    select * from days
) as noted
group by 1
order by 1
