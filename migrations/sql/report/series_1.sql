create view report.series as
select
    'minute' as per,
    minute as from_at,
    queue,
    added,
    claimed,
    completed,
    failed,
    retried,
    stalled,
    waits::bigint[] as waits,
    wait_s,
    runs::bigint[] as runs,
    run_s
from rowline.job_minutes
union all
-- A minute is in one of these: old ones become hours, and old hours days.
select
    'hour' as per,
    period.from_at,
    done.*
from
    generate_series(
        date_trunc('hour', statement_timestamp()) - interval '90 days', statement_timestamp(), interval '1 hour'
    ) as period (from_at)
cross join lateral (
    select
        queue,
        sum(added)::bigint as added,
        sum(claimed)::bigint as claimed,
        sum(completed)::bigint as completed,
        sum(failed)::bigint as failed,
        sum(retried)::bigint as retried,
        sum(stalled)::bigint as stalled,
        report.sum_counts(waits) as waits,
        sum(wait_s) as wait_s,
        report.sum_counts(runs) as runs,
        sum(run_s) as run_s
    from (
        select queue, added, claimed, completed, failed, retried, stalled, waits::bigint[] as waits, wait_s, runs::bigint[] as runs, run_s
        from rowline.job_minutes
        where minute >= period.from_at and minute < period.from_at + interval '1 hour'
        union all
        select queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
        from rowline.job_hours
        where hour >= period.from_at and hour < period.from_at + interval '1 hour'
    ) as noted
    group by queue
) as done
union all
select
    'day' as per,
    period.from_at,
    done.*
from
    generate_series(
        date_trunc('day', statement_timestamp()) - interval '3653 days', statement_timestamp(), interval '1 day'
    ) as period (from_at)
cross join lateral (
    select
        queue,
        sum(added)::bigint as added,
        sum(claimed)::bigint as claimed,
        sum(completed)::bigint as completed,
        sum(failed)::bigint as failed,
        sum(retried)::bigint as retried,
        sum(stalled)::bigint as stalled,
        report.sum_counts(waits) as waits,
        sum(wait_s) as wait_s,
        report.sum_counts(runs) as runs,
        sum(run_s) as run_s
    from (
        select queue, added, claimed, completed, failed, retried, stalled, waits::bigint[] as waits, wait_s, runs::bigint[] as runs, run_s
        from rowline.job_minutes
        where minute >= period.from_at and minute < period.from_at + interval '1 day'
        union all
        select queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
        from rowline.job_hours
        where hour >= period.from_at and hour < period.from_at + interval '1 day'
        union all
        select queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
        from rowline.job_days
        where day >= period.from_at and day < period.from_at + interval '1 day'
    ) as noted
    group by queue
) as done;
comment on view report.series is
    'One row a period and queue in which anything happened to jobs, whether these are kept or not, by the minute in which that was counted, a second or two after the commit. Covers 48 hours by the minute, 90 days by the hour, ten years by the day; name per, and bound from_at.';
comment on column report.series.per is 'text: minute, hour or day: the length of the period. Always name one';
comment on column report.series.from_at is 'timestamp with time zone: when the period begins, in the time zone of the session; what is older than 48 hours is known by hours of UTC, what is older than 90 days by days of UTC';
comment on column report.series.queue is 'text: the queue';
comment on column report.series.added is 'bigint: jobs added in it';
comment on column report.series.claimed is 'bigint: attempts that began in it';
comment on column report.series.completed is 'bigint: jobs that completed in it';
comment on column report.series.failed is 'bigint: jobs that failed for good in it, or were cancelled';
comment on column report.series.retried is 'bigint: attempts that failed in it, of jobs that are tried again';
comment on column report.series.stalled is 'bigint: attempts whose leases ran out, as found in it';
comment on column report.series.waits is 'bigint[]: of the attempts that began in it, how many jobs had been ready for less than 1 ms, 2, 5, 10, 20, 50, 100, 200, 500 ms, 1 s, 2, 5, 10, 20 s, 1 min, 2, 5, 10, 30 min, 1 h, 3, 8, 24 h, or longer: each is in one; null: of none it is known';
comment on column report.series.wait_s is 'double precision: all these waits together, in seconds';
comment on column report.series.runs is 'bigint[]: the same of how long attempts ran that completed or failed in it';
comment on column report.series.run_s is 'double precision: all these runs together, in seconds';
