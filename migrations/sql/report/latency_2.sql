create or replace view report.latency as
select
    'minute' as per,
    period.from_at,
    done.queue,
    done.jobs,
    done.waits[1] as wait_p50_s,
    done.waits[2] as wait_p95_s,
    done.waits[3] as wait_p99_s,
    done.runs[1] as run_p50_s,
    done.runs[2] as run_p95_s,
    done.runs[3] as run_p99_s
from
    generate_series(
        date_trunc('minute', statement_timestamp()) - interval '24 hours', statement_timestamp(), interval '1 minute'
    ) as period (from_at)
cross join lateral (
    select
        queue,
        count(*) as jobs,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (
            order by date_part('epoch', processed_at - run_at)
        ) as waits,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (
            order by date_part('epoch', finished_at - processed_at)
        ) as runs
    from rowline.jobs
    where status = 'completed' and finished_at >= period.from_at and finished_at < period.from_at + interval '1 minute'
    group by queue
) as done
union all
select
    'hour' as per,
    period.from_at,
    done.queue,
    done.jobs,
    done.waits[1] as wait_p50_s,
    done.waits[2] as wait_p95_s,
    done.waits[3] as wait_p99_s,
    done.runs[1] as run_p50_s,
    done.runs[2] as run_p95_s,
    done.runs[3] as run_p99_s
from
    generate_series(
        date_trunc('hour', statement_timestamp()) - interval '31 days', statement_timestamp(), interval '1 hour'
    ) as period (from_at)
cross join lateral (
    select
        queue,
        count(*) as jobs,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (
            order by date_part('epoch', processed_at - run_at)
        ) as waits,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (
            order by date_part('epoch', finished_at - processed_at)
        ) as runs
    from rowline.jobs
    where status = 'completed' and finished_at >= period.from_at and finished_at < period.from_at + interval '1 hour'
    group by queue
) as done
union all
select
    'day' as per,
    period.from_at,
    done.queue,
    done.jobs,
    done.waits[1] as wait_p50_s,
    done.waits[2] as wait_p95_s,
    done.waits[3] as wait_p99_s,
    done.runs[1] as run_p50_s,
    done.runs[2] as run_p95_s,
    done.runs[3] as run_p99_s
from
    generate_series(
        date_trunc('day', statement_timestamp()) - interval '366 days', statement_timestamp(), interval '1 day'
    ) as period (from_at)
cross join lateral (
    select
        queue,
        count(*) as jobs,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (
            order by date_part('epoch', processed_at - run_at)
        ) as waits,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (
            order by date_part('epoch', finished_at - processed_at)
        ) as runs
    from rowline.jobs
    where status = 'completed' and finished_at >= period.from_at and finished_at < period.from_at + interval '1 day'
    group by queue
) as done;
comment on view report.latency is
    'One row a period and queue in which jobs completed: how long they waited and ran. Covers 24 hours by the minute, 31 days by the hour, 366 days by the day; name per, and bound from_at.';
comment on column report.latency.per is 'text: minute, hour or day: the length of the period. Always name one';
comment on column report.latency.from_at is 'timestamp with time zone: when the period begins, in the time zone of the session';
comment on column report.latency.queue is 'text: the queue';
comment on column report.latency.jobs is 'bigint: jobs that completed in it';
comment on column report.latency.wait_p50_s is 'double precision: seconds in line before the attempt that completed: half of the jobs were at most so long';
comment on column report.latency.wait_p95_s is 'double precision: seconds in line before the attempt that completed: 95 of 100 were at most so long';
comment on column report.latency.wait_p99_s is 'double precision: seconds in line before the attempt that completed: 99 of 100 were at most so long';
comment on column report.latency.run_p50_s is 'double precision: seconds that this attempt ran: half of the jobs were at most so long';
comment on column report.latency.run_p95_s is 'double precision: seconds that this attempt ran: 95 of 100 were at most so long';
comment on column report.latency.run_p99_s is 'double precision: seconds that this attempt ran: 99 of 100 were at most so long';
