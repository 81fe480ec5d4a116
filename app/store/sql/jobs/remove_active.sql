-- remove_active: active -> (nowhere)
-- Deletes the jobs of :numbers that are active, with their attempts and their logs. The caller has locked their rows.
-- They are counted as delayed in between: active jobs that go at once have completed, for the minutes (`summed.sql`).
with changed as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'active'
    returning
        job.number, job.custom_id,
        :_terms
        as terms
),
:_untermed
,
:_traces
,
counted as (
    insert into rowline.job_deltas (
        queue, active, delayed,
        :_noted
    )
    select
        :queue, -count(*), count(*),
        :_noted_values
    from changed
    having count(*) > 0
),
uncounted as (
    insert into rowline.job_deltas (queue, verb, numbers, at, delayed)
    select :queue, 'remove_active', '{}', clock_timestamp(), -count(*) from changed having count(*) > 0
)
select number from changed
