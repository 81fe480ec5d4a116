create view report.retention as
select
    kept.queue,
    kept.status,
    kept.jobs,
    oldest.added_at as oldest_added_at,
    oldest.finished_at as oldest_finished_at,
    newest.finished_at as newest_finished_at
from (
    select queue, 'completed' as status, completed as jobs from report.counts
    union all
    select queue, 'failed', failed from report.counts
) as kept
cross join lateral (
    select job.added_at, job.finished_at from rowline.jobs as job
    where job.queue = kept.queue and job.status = kept.status and job.status <> 'active'
    order by job.number
    limit 1
) as oldest
cross join lateral (
    select job.finished_at from rowline.jobs as job
    where job.queue = kept.queue and job.status = kept.status and job.status <> 'active'
    order by job.number desc
    limit 1
) as newest;
comment on view report.retention is 'One row a queue and final status: how many finished jobs are kept, and since when.';
comment on column report.retention.queue is 'text: the queue';
comment on column report.retention.status is 'text: completed or failed';
comment on column report.retention.jobs is 'bigint: jobs that are kept';
comment on column report.retention.oldest_added_at is 'timestamp with time zone: when the one with the lowest number was added';
comment on column report.retention.oldest_finished_at is 'timestamp with time zone: when that one finished';
comment on column report.retention.newest_finished_at is 'timestamp with time zone: when the one with the highest number finished';
