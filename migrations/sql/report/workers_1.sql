create view report.workers as
select
    seen.worker,
    array_agg(distinct seen.queue) as queues,
    count(*) filter (where seen.outcome = 'running') as active,
    count(*) filter (where seen.outcome = 'completed') as completed_1h,
    count(*) filter (where seen.outcome in ('failed', 'timed-out')) as failed_1h,
    count(*) filter (where seen.outcome = 'stalled') as stalled_1h,
    count(*) filter (where seen.outcome = 'released') as released_1h,
    max(seen.started_at) as last_started_at,
    max(seen.ended_at) as last_ended_at,
    coalesce(sum(seen.run_s) filter (where seen.outcome <> 'running'), 0) as run_1h_s
from report.attempts as seen
where seen.until_at >= statement_timestamp() - interval '1 hour'
group by seen.worker;
comment on view report.workers is 'One row a worker that has a job, or ended an attempt in the last hour.';
comment on column report.workers.worker is 'text: its name; one that begins with push: is a dispatcher';
comment on column report.workers.queues is 'text[]: the queues that it took jobs of';
comment on column report.workers.active is 'bigint: jobs that it has now';
comment on column report.workers.completed_1h is 'bigint: attempts that it completed in the last hour';
comment on column report.workers.failed_1h is 'bigint: attempts that failed or timed out on it in the last hour';
comment on column report.workers.stalled_1h is 'bigint: leases that it let run out in the last hour';
comment on column report.workers.released_1h is 'bigint: jobs that it handed back in the last hour';
comment on column report.workers.last_started_at is 'timestamp with time zone: when it took a job last';
comment on column report.workers.last_ended_at is 'timestamp with time zone: when an attempt of it ended last';
comment on column report.workers.run_1h_s is 'double precision: seconds that the attempts which ended in the last hour ran, together';
