create function report.fingerprint(reason text, stack text) returns text
language sql immutable parallel safe
return left(md5(
    regexp_replace(
        left(split_part(coalesce(reason, ''), E'\n', 1), 300),
        '''[^'']*''|"[^"]*"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|0x[0-9a-f]+|[0-9]+', '#', 'gi'
    )
    || E'\n'
    -- The frames of a stack are its indented lines.
    || regexp_replace(regexp_replace(right(coalesce(stack, ''), 2000), '^\S.*$', '', 'gn'), '0x[0-9a-f]+|[0-9]+', '#', 'gi')
), 12);
comment on function report.fingerprint(text, text) is
    'What failures have in common: the first line of the reason without its numbers, ids and quoted words, and the frames of the stack without line numbers.';
create view report.failures as
select
    period.from_at,
    failed.queue,
    failed.name,
    failed.fingerprint,
    failed.failures,
    failed.jobs,
    failed.jobs_lost,
    failed.first_at,
    failed.last_at,
    failed.last_number,
    failed.reason
from
    generate_series(
        date_trunc('day', statement_timestamp()) - interval '366 days', statement_timestamp(), interval '1 day'
    ) as period (from_at)
cross join lateral (
    select
        attempt.queue,
        job.name,
        report.fingerprint(attempt.reason, job.stacktrace[cardinality(job.stacktrace)]) as fingerprint,
        count(*) as failures,
        count(distinct attempt.number) as jobs,
        count(distinct attempt.number) filter (where job.status = 'failed') as jobs_lost,
        min(attempt.ended_at) as first_at,
        max(attempt.ended_at) as last_at,
        max(attempt.number) as last_number,
        max(attempt.reason) as reason
    from rowline.attempts as attempt
    join rowline.jobs as job on job.number = attempt.number and job.queue = attempt.queue
    where attempt.ended_at >= period.from_at and attempt.ended_at < period.from_at + interval '1 day'
        and attempt.outcome in ('failed', 'timed-out', 'stalled')
    group by 1, 2, 3
) as failed;
comment on view report.failures is
    'One row a day, queue, name and fingerprint: failed attempts that look alike, also those that were tried again. Covers 366 days; bound from_at.';
comment on column report.failures.from_at is 'timestamp with time zone: when the day begins, in the time zone of the session';
comment on column report.failures.queue is 'text: the queue';
comment on column report.failures.name is 'text: the name of the jobs';
comment on column report.failures.fingerprint is 'text: 12 letters that are the same for failures that look alike, see report.fingerprint(reason, stack)';
comment on column report.failures.failures is 'bigint: attempts that failed, timed out or stalled';
comment on column report.failures.jobs is 'bigint: jobs that they belong to';
comment on column report.failures.jobs_lost is 'bigint: those of them that are failed for good';
comment on column report.failures.first_at is 'timestamp with time zone: when the first of that day ended';
comment on column report.failures.last_at is 'timestamp with time zone: when the last of that day ended';
comment on column report.failures.last_number is 'bigint: the number of the newest of the jobs, for an example';
comment on column report.failures.reason is 'text: one of the reasons';
