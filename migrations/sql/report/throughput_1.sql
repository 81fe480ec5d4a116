create view report.throughput as
select
    'minute' as per,
    period.from_at,
    done.queue,
    done.completed,
    done.failed,
    done.completed + done.failed as finished
from
    generate_series(
        date_trunc('minute', statement_timestamp()) - interval '24 hours', statement_timestamp(), interval '1 minute'
    ) as period (from_at)
cross join lateral (
    select
        queue,
        count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'failed') as failed
    from rowline.jobs
    where finished_at >= period.from_at and finished_at < period.from_at + interval '1 minute'
    group by queue
) as done
union all
select
    'hour' as per,
    period.from_at,
    done.queue,
    done.completed,
    done.failed,
    done.completed + done.failed as finished
from
    generate_series(
        date_trunc('hour', statement_timestamp()) - interval '31 days', statement_timestamp(), interval '1 hour'
    ) as period (from_at)
cross join lateral (
    select
        queue,
        count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'failed') as failed
    from rowline.jobs
    where finished_at >= period.from_at and finished_at < period.from_at + interval '1 hour'
    group by queue
) as done
union all
select
    'day' as per,
    period.from_at,
    done.queue,
    done.completed,
    done.failed,
    done.completed + done.failed as finished
from
    generate_series(
        date_trunc('day', statement_timestamp()) - interval '366 days', statement_timestamp(), interval '1 day'
    ) as period (from_at)
cross join lateral (
    select
        queue,
        count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'failed') as failed
    from rowline.jobs
    where finished_at >= period.from_at and finished_at < period.from_at + interval '1 day'
    group by queue
) as done;
comment on view report.throughput is
    'One row a period and queue in which jobs finished. Covers 24 hours by the minute, 31 days by the hour, 366 days by the day; name per, and bound from_at.';
comment on column report.throughput.per is 'text: minute, hour or day: the length of the period. Always name one';
comment on column report.throughput.from_at is 'timestamp with time zone: when the period begins, in the time zone of the session';
comment on column report.throughput.queue is 'text: the queue';
comment on column report.throughput.completed is 'bigint: jobs that completed in it';
comment on column report.throughput.failed is 'bigint: jobs that failed for good in it';
comment on column report.throughput.finished is 'bigint: both together';
