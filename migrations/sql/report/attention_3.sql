create or replace view report.attention as
select
    'no worker' as problem,
    ready.queue,
    ready.jobs,
    ready.since_at,
    'nothing of this queue was claimed for 5 minutes, and jobs are in line: is a worker running?' as hint
from (
    select queue, count(*) as jobs, to_timestamp(min(abs(place)) / 1000000.0) as since_at
    from rowline.jobs
    where '' || status in ('waiting', 'prioritized')
    group by queue
) as ready
where ready.since_at < statement_timestamp() - interval '5 minutes'
    and not exists (
        select from rowline.jobs as job
        where job.queue = ready.queue and job.status = 'active'
            and job.processed_at >= statement_timestamp() - interval '5 minutes'
    )
    and not exists (
        select from rowline.jobs as job
        where job.queue = ready.queue and job.finished_at >= statement_timestamp() - interval '5 minutes'
            and job.processed_at is not null
    )
    and not exists (
        select from rowline.attempts as attempt
        where attempt.queue = ready.queue and attempt.ended_at >= statement_timestamp() - interval '5 minutes'
    )
union all
select 'lease over', queue, count(*), min(leased_until), 'nobody takes these jobs back: does any process of Rowline run?'
from rowline.jobs
where status = 'active' and leased_until < statement_timestamp() - interval '1 minute'
group by queue
union all
select 'overdue', queue, count(*), min(run_at), 'nobody moves these jobs into line: does any process of Rowline run?'
from rowline.jobs
where '' || status = 'delayed' and run_at < statement_timestamp() - interval '1 minute'
group by queue
union all
select 'endpoint off', queue, null, switched_off_at, switched_off_reason
from rowline.endpoints
where switched_off_at is not null
union all
select 'endpoint paused', queue, null, paused_until, 'it asked not to be called until then'
from rowline.endpoints
where paused_until > statement_timestamp()
union all
select
    'failing',
    queue,
    count(*) filter (where status = 'failed'),
    min(finished_at) filter (where status = 'failed'),
    'more than half of what finished in the last 15 minutes failed: see report.failures'
from rowline.jobs
where finished_at >= statement_timestamp() - interval '15 minutes'
group by queue
having count(*) filter (where status = 'failed') >= 5 and 2 * count(*) filter (where status = 'failed') > count(*)
union all
select
    'kept for ever',
    queue,
    jobs,
    oldest_finished_at,
    'no setting says how long these jobs are kept, so the database grows: see `rowline settings`'
from report.retention
where keeps is null and jobs >= 100000;
comment on view report.attention is 'One row a thing that somebody should look at now. Empty is good.';
comment on column report.attention.problem is 'text: no worker, lease over, overdue, endpoint off, endpoint paused, failing, kept for ever';
comment on column report.attention.queue is 'text: the queue';
comment on column report.attention.jobs is 'bigint: jobs that it is about';
comment on column report.attention.since_at is 'timestamp with time zone: since when; of a pause: until when';
comment on column report.attention.hint is 'text: what it means';
