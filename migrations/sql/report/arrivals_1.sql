create view report.arrivals as
select date_trunc('hour', job.added_at) as from_at, job.queue, count(*) as added
from (
    -- What was added in these hours is live, or finished after it was added.
    select queue, added_at from rowline.jobs
    where finished_at >= date_trunc('hour', statement_timestamp()) - interval '48 hours'
    union all
    select queue, added_at from rowline.jobs where status in ('waiting', 'prioritized')
    union all
    select queue, added_at from rowline.jobs where status = 'delayed'
    union all
    select queue, added_at from rowline.jobs where status = 'active'
) as job
where job.added_at >= date_trunc('hour', statement_timestamp()) - interval '48 hours'
group by 1, 2;
comment on view report.arrivals is 'One row an hour and queue in which jobs were added that are kept. Covers the last 48 hours.';
comment on column report.arrivals.from_at is 'timestamp with time zone: when the hour begins';
comment on column report.arrivals.queue is 'text: the queue';
comment on column report.arrivals.added is 'bigint: jobs added in it';
