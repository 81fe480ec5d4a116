create or replace view report.queues as
select
    counts.queue,
    counts.waiting,
    counts.prioritized,
    counts.delayed,
    counts.active,
    counts.waiting_children,
    counts.completed,
    counts.failed,
    ready.oldest_at as oldest_ready_at,
    extract(epoch from statement_timestamp() - ready.oldest_at)::double precision as oldest_ready_s,
    delayed.next_at as next_due_at,
    extract(epoch from statement_timestamp() - running.oldest_at)::double precision as longest_run_s,
    coalesce(done.jobs, 0) as finished_5m,
    300.0::double precision * (counts.waiting + counts.prioritized) / nullif(done.jobs, 0) as drain_s,
    setting.paused_at,
    setting.paused_by,
    setting.pause_reason,
    coalesce(past.added_1m, 0) as added_1m,
    coalesce(past.completed_1m, 0) as completed_1m,
    coalesce(past.failed_1m, 0) as failed_1m,
    coalesce(past.added_5m, 0) as added_5m,
    coalesce(past.completed_5m, 0) as completed_5m,
    coalesce(past.failed_5m, 0) as failed_5m,
    coalesce(past.added_15m, 0) as added_15m,
    coalesce(past.completed_15m, 0) as completed_15m,
    coalesce(past.failed_15m, 0) as failed_15m,
    setting.defaults,
    setting.start_within_ms
from report.counts as counts
left join (
    -- The place in line is the moment of joining it, in microseconds; negative for lifo.
    select queue, to_timestamp(min(abs(place)) / 1000000.0) as oldest_at
    from rowline.jobs
    where '' || status in ('waiting', 'prioritized')
    group by queue
) as ready on ready.queue = counts.queue
left join (
    select queue, min(run_at) as next_at from rowline.jobs where '' || status || '' = 'delayed' group by queue
) as delayed on delayed.queue = counts.queue
left join (
    select queue, min(processed_at) as oldest_at from rowline.jobs where status = 'active' group by queue
) as running on running.queue = counts.queue
left join (
    select queue, count(*) as jobs
    from rowline.jobs
    where finished_at >= statement_timestamp() - interval '5 minutes'
    group by queue
) as done on done.queue = counts.queue
left join rowline.queue_settings as setting on setting.queue = counts.queue
left join (
    select
        queue,
        sum(added) filter (where minute >= date_trunc('minute', statement_timestamp()) - interval '1 minute')::bigint as added_1m,
        sum(completed) filter (where minute >= date_trunc('minute', statement_timestamp()) - interval '1 minute')::bigint as completed_1m,
        sum(failed) filter (where minute >= date_trunc('minute', statement_timestamp()) - interval '1 minute')::bigint as failed_1m,
        sum(added) filter (where minute >= date_trunc('minute', statement_timestamp()) - interval '5 minutes')::bigint as added_5m,
        sum(completed) filter (where minute >= date_trunc('minute', statement_timestamp()) - interval '5 minutes')::bigint as completed_5m,
        sum(failed) filter (where minute >= date_trunc('minute', statement_timestamp()) - interval '5 minutes')::bigint as failed_5m,
        sum(added)::bigint as added_15m,
        sum(completed)::bigint as completed_15m,
        sum(failed)::bigint as failed_15m
    from rowline.job_minutes
    where minute >= date_trunc('minute', statement_timestamp()) - interval '15 minutes'
        and minute < date_trunc('minute', statement_timestamp())
    group by queue
) as past on past.queue = counts.queue;
comment on view report.queues is 'One row a queue that has jobs: how it stands now.';
comment on column report.queues.queue is 'text: the queue';
comment on column report.queues.waiting is 'bigint: jobs in line without a priority';
comment on column report.queues.prioritized is 'bigint: jobs in line with a priority';
comment on column report.queues.delayed is 'bigint: jobs that will join the line later';
comment on column report.queues.active is 'bigint: jobs that run';
comment on column report.queues.waiting_children is 'bigint: jobs that wait for others';
comment on column report.queues.completed is 'bigint: jobs that are kept and ended well';
comment on column report.queues.failed is 'bigint: jobs that are kept and ended badly';
comment on column report.queues.oldest_ready_at is 'timestamp with time zone: since when the one that is longest in line is there';
comment on column report.queues.oldest_ready_s is 'double precision: the same in seconds until now';
comment on column report.queues.next_due_at is 'timestamp with time zone: when the next delayed job joins the line';
comment on column report.queues.longest_run_s is 'double precision: seconds that the longest running attempt runs so far';
comment on column report.queues.finished_5m is 'bigint: jobs that completed or failed in the last 5 minutes';
comment on column report.queues.drain_s is 'double precision: seconds that the line would take at the pace of the last 5 minutes; null when nothing finished';
comment on column report.queues.paused_at is 'timestamp with time zone: since when the queue is paused; null when it is not';
comment on column report.queues.paused_by is 'text: who paused it, as in the audit';
comment on column report.queues.pause_reason is 'text: why, if that was said';
comment on column report.queues.added_1m is 'bigint: jobs added in the last full minute, whether they are kept or not';
comment on column report.queues.completed_1m is 'bigint: jobs that completed in the last full minute, whether they are kept or not';
comment on column report.queues.failed_1m is 'bigint: jobs that failed or were cancelled in the last full minute, whether they are kept or not';
comment on column report.queues.added_5m is 'bigint: jobs added in the last 5 full minutes, whether they are kept or not';
comment on column report.queues.completed_5m is 'bigint: jobs that completed in the last 5 full minutes, whether they are kept or not';
comment on column report.queues.failed_5m is 'bigint: jobs that failed or were cancelled in the last 5 full minutes, whether they are kept or not';
comment on column report.queues.added_15m is 'bigint: jobs added in the last 15 full minutes, whether they are kept or not';
comment on column report.queues.completed_15m is 'bigint: jobs that completed in the last 15 full minutes, whether they are kept or not';
comment on column report.queues.failed_15m is 'bigint: jobs that failed or were cancelled in the last 15 full minutes, whether they are kept or not';
comment on column report.queues.defaults is 'json: the options of jobs that are added without them; null when the queue sets none';
comment on column report.queues.start_within_ms is 'bigint: milliseconds within which a job has to start from when it is ready first; null: at any time';
