-- promote: delayed -> waiting, prioritized
-- Makes up to :limit due jobs of :queue ready, the longest due first. Index: jobs_later. Skips locked rows.
-- The place was computed from the due time when the delay was set, so it does not depend on when the job is promoted.
-- By the due time, too, the setting of the queue says until when a job has to start that is ready for the first time.
with setting as (
    :_start_within
),
due as (
    select number from rowline.jobs
    where queue = :queue and '' || status || '' = 'delayed' and run_at <= statement_timestamp()
    order by run_at
    limit :limit
    for update skip locked
),
changed as (
    update rowline.jobs as job
    set status = case when job.priority > 0 then 'prioritized' else 'waiting' end,
        start_by = case
            when job.attempts_started > 0 or (select start_within_ms from setting) is null then job.start_by
            else least(
                job.start_by,
                floor(extract(epoch from job.run_at at time zone 'UTC') * 1000)::bigint + (select start_within_ms from setting)
            )
        end
    where job.queue = :queue and job.number = any(array(select number from due)) and job.status || '' = 'delayed'
    returning job.number, 'delayed' as was, job.status
),
counted as (
    :_counted
)
select number from changed
