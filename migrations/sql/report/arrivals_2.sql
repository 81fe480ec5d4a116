create or replace view report.arrivals as
select noted.from_at, noted.queue, sum(noted.added)::bigint as added
from (
    -- A minute is in one of both: old ones become hours.
    select date_trunc('hour', minute) as from_at, queue, added
    from rowline.job_minutes
    where minute >= date_trunc('hour', statement_timestamp()) - interval '48 hours'
    union all
    select date_trunc('hour', hour) as from_at, queue, added
    from rowline.job_hours
    where hour >= date_trunc('hour', statement_timestamp()) - interval '48 hours'
) as noted
group by 1, 2
having sum(noted.added) > 0;
comment on view report.arrivals is
    'One row an hour and queue in which jobs were added, whether these are kept or not, by the minute in which that was counted, a second or two after the commit. Covers the last 48 hours.';
comment on column report.arrivals.from_at is 'timestamp with time zone: when the hour begins';
comment on column report.arrivals.queue is 'text: the queue';
comment on column report.arrivals.added is 'bigint: jobs added in it';
