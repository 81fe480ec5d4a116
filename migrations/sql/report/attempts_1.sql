create view report.attempts as
select
    attempt.queue,
    coalesce(job.custom_id, job.number::text) as id,
    attempt.number,
    job.name,
    attempt.nth,
    attempt.outcome,
    attempt.worker,
    attempt.started_at,
    attempt.ended_at,
    attempt.ended_at as until_at,
    extract(epoch from attempt.ended_at - attempt.started_at)::double precision as run_s,
    attempt.reason
from rowline.attempts as attempt
join rowline.jobs as job on job.number = attempt.number and job.queue = attempt.queue
union all
select
    queue,
    coalesce(custom_id, number::text),
    number,
    name,
    attempts_started,
    'completed',
    processed_by,
    processed_at,
    finished_at,
    finished_at,
    extract(epoch from finished_at - processed_at)::double precision,
    null
from rowline.jobs
where status = 'completed'
union all
select
    queue,
    coalesce(custom_id, number::text),
    number,
    name,
    attempts_started,
    'running',
    processed_by,
    processed_at,
    null,
    statement_timestamp(),
    extract(epoch from statement_timestamp() - processed_at)::double precision,
    null
from rowline.jobs
where status = 'active';
comment on view report.attempts is
    'One row a claim of a job that is kept: those that run, and those that ended in any way. Fast by (queue, number) and by until_at.';
comment on column report.attempts.queue is 'text: the queue';
comment on column report.attempts.id is 'text: the id of the job on the wire';
comment on column report.attempts.number is 'bigint: the number of the job';
comment on column report.attempts.name is 'text: the name of the job';
comment on column report.attempts.nth is 'integer: 1 is the first claim of the job';
comment on column report.attempts.outcome is 'text: running, completed, failed, timed-out, stalled, released or cancelled';
comment on column report.attempts.worker is 'text: who made it';
comment on column report.attempts.started_at is 'timestamp with time zone: when it began';
comment on column report.attempts.ended_at is 'timestamp with time zone: when it ended; null while it runs';
comment on column report.attempts.until_at is 'timestamp with time zone: when it ended, or now while it runs: started_at and until_at span it';
comment on column report.attempts.run_s is 'double precision: seconds that it ran; so far, while it runs';
comment on column report.attempts.reason is 'text: why it failed';
