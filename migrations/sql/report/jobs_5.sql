create or replace view report.jobs as
select
    job.queue,
    coalesce(job.custom_id, job.number::text) as id,
    job.number,
    job.custom_id,
    job.name,
    job.status,
    job.priority,
    job.added_at,
    job.run_at as due_at,
    job.processed_at as started_at,
    job.finished_at,
    (
        case
            when job.status in ('waiting', 'prioritized') then extract(epoch from statement_timestamp() - job.run_at)
            when job.status in ('active', 'completed', 'failed') and job.processed_at >= job.run_at
                then extract(epoch from job.processed_at - job.run_at)
        end
    )::double precision as wait_s,
    (
        case
            when job.status = 'active' then extract(epoch from statement_timestamp() - job.processed_at)
            when job.finished_at is distinct from job.cancel_requested_at
                then extract(epoch from job.finished_at - job.processed_at)
        end
    )::double precision as run_s,
    job.attempts as attempts_allowed,
    job.attempts_made,
    job.attempts_started,
    job.stalled_count,
    job.processed_by as worker,
    job.failed_reason as reason,
    job.stacktrace as stacks,
    job.leased_until,
    job.cancel_requested_at,
    job.delay_ms / 1000.0::double precision as delay_s,
    job.timeout_ms / 1000.0::double precision as timeout_s,
    job.opts,
    job.data,
    job.progress,
    job.result,
    job.tags,
    job.failed_code,
    timestamptz 'epoch' + job.start_by * interval '1 millisecond' as start_by,
    job.effective
from rowline.jobs as job;
comment on view report.jobs is
    'One row a job that is kept, in any status. Fast by (queue, number), (queue, custom_id), finished_at, and by a live status.';
comment on column report.jobs.queue is 'text: the queue';
comment on column report.jobs.id is 'text: the id on the wire: custom_id, else number. To look one job up, name queue and one of those two';
comment on column report.jobs.number is 'bigint: the number that the service gave, growing in the order of adding';
comment on column report.jobs.custom_id is 'text: the jobId that the client chose, if it did';
comment on column report.jobs.name is 'text: the name, which chooses the handler';
comment on column report.jobs.status is 'text: waiting, prioritized, delayed, active, waiting-children, completed or failed, as in the API';
comment on column report.jobs.priority is 'integer: 0 is none, 1 comes first of those that have one';
comment on column report.jobs.added_at is 'timestamp with time zone: when it was added';
comment on column report.jobs.due_at is 'timestamp with time zone: when it joined the line last, or will join it';
comment on column report.jobs.started_at is 'timestamp with time zone: when its last attempt began';
comment on column report.jobs.finished_at is 'timestamp with time zone: when it completed or failed for good';
comment on column report.jobs.wait_s is 'double precision: seconds in line before the last attempt; so far, while it is in line';
comment on column report.jobs.run_s is 'double precision: seconds that the last attempt ran; so far, while it runs';
comment on column report.jobs.attempts_allowed is 'integer: runs that may fail, opts.attempts';
comment on column report.jobs.attempts_made is 'integer: attempts that ended, well or badly';
comment on column report.jobs.attempts_started is 'integer: attempts that began, also those handed back unharmed';
comment on column report.jobs.stalled_count is 'integer: leases that ran out';
comment on column report.jobs.worker is 'text: who has, or had, the last attempt';
comment on column report.jobs.reason is 'text: why the last failure was one; it stays when a later attempt succeeds';
comment on column report.jobs.stacks is 'text[]: stack traces, the newest last';
comment on column report.jobs.leased_until is 'timestamp with time zone: while active: when its worker must have renewed the lease';
comment on column report.jobs.cancel_requested_at is 'timestamp with time zone: when somebody asked for its end';
comment on column report.jobs.delay_s is 'double precision: seconds that it waits or last waited before it joined the line';
comment on column report.jobs.timeout_s is 'double precision: seconds that one attempt may take, opts.timeout';
comment on column report.jobs.opts is 'json: the options as they were sent';
comment on column report.jobs.data is 'json: the data as it was sent';
comment on column report.jobs.progress is 'json: what the handler reported last';
comment on column report.jobs.result is 'json: what the handler returned';
comment on column report.jobs.tags is 'text[]: its tags, in the order sent; null for a job without any';
comment on column report.jobs.failed_code is 'text: why it failed for good: failed, timed_out, stalled, cancelled or start_by; null if it has not, or did before revision 0019';
comment on column report.jobs.start_by is 'timestamp with time zone: when it has to have started by, else it fails; null if at any time';
comment on column report.jobs.effective is 'json: the options that hold instead of opts, by a default of the queue or a change by hand; null when none do';
