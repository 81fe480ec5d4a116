-- remove_active: active -> (nowhere)
-- Deletes the jobs of :numbers that are active, with their attempts and their logs. The caller has locked their rows.
-- They are counted as delayed in between: active jobs that go at once have completed, for the minutes (`summed.sql`).
with changed as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'active'
    returning
        job.number,
        :_terms
        as terms
),
:_untermed
,
:_traces
,
counted as (
    insert into rowline.job_deltas (queue, active, delayed)
    select :queue, -count(*), count(*) from changed having count(*) > 0
    union all
    select :queue, 0, -count(*) from changed having count(*) > 0
)
select number from changed
