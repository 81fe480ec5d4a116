create or replace view report.throughput as
select
    'minute' as per,
    minute as from_at,
    queue,
    completed,
    failed,
    completed + failed as finished
from rowline.job_minutes
where minute >= date_trunc('minute', statement_timestamp()) - interval '24 hours' and completed + failed > 0
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
    -- A minute is in one of these: old ones become hours, and old hours days.
    select queue, sum(completed)::bigint as completed, sum(failed)::bigint as failed
    from (
        select queue, completed, failed from rowline.job_minutes
        where minute >= period.from_at and minute < period.from_at + interval '1 hour'
        union all
        select queue, completed, failed from rowline.job_hours
        where hour >= period.from_at and hour < period.from_at + interval '1 hour'
    ) as noted
    group by queue
    having sum(completed + failed) > 0
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
    select queue, sum(completed)::bigint as completed, sum(failed)::bigint as failed
    from (
        select queue, completed, failed from rowline.job_minutes
        where minute >= period.from_at and minute < period.from_at + interval '1 day'
        union all
        select queue, completed, failed from rowline.job_hours
        where hour >= period.from_at and hour < period.from_at + interval '1 day'
        union all
        select queue, completed, failed from rowline.job_days
        where day >= period.from_at and day < period.from_at + interval '1 day'
    ) as noted
    group by queue
    having sum(completed + failed) > 0
) as done;
comment on view report.throughput is
    'One row a period and queue in which jobs finished, whether these are kept or not, by the minute in which that was counted, a second or two after the commit. Covers 24 hours by the minute, 31 days by the hour, 366 days by the day; name per, and bound from_at.';
comment on column report.throughput.per is 'text: minute, hour or day: the length of the period. Always name one';
comment on column report.throughput.from_at is 'timestamp with time zone: when the period begins, in the time zone of the session; what is older than 48 hours is known by hours of UTC, what is older than 90 days by days of UTC';
comment on column report.throughput.queue is 'text: the queue';
comment on column report.throughput.completed is 'bigint: jobs that completed in it';
comment on column report.throughput.failed is 'bigint: jobs that failed for good in it, or were cancelled';
comment on column report.throughput.finished is 'bigint: both together';
