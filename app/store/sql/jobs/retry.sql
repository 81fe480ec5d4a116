-- retry: completed, failed -> waiting, prioritized
-- Makes a job that has ended ready again, as the latest comer of its kind. The caller has locked its row.
-- With :reset_attempts no attempts count as made. :attempts are how many it may make from now on; null: as many as before.
-- :effective are the options that hold then instead of those sent.
-- attempts_started goes on, and processed_at stays with it; processed_by is null until the next claim. It may start at any time.
with ended as (
    select number, status from rowline.jobs
    where queue = :queue and number = :number and status || '' in ('completed', 'failed')
),
changed as (
    update rowline.jobs as job
    set status = case when job.priority > 0 then 'prioritized' else 'waiting' end,
        run_at = statement_timestamp(),
        place = case when job.lifo then -1 else 1 end * (extract(epoch from statement_timestamp()) * 1000000)::bigint,
        attempts = coalesce(:attempts::integer, job.attempts),
        attempts_made = case when :reset_attempts::boolean then 0 else job.attempts_made end,
        effective = :effective::json,
        stalled_count = 0,
        result = null,
        failed_reason = null,
        failed_code = null,
        finished_at = null,
        cancel_requested_at = null,
        processed_by = null,
        start_by = null
    from ended
    where job.queue = :queue and job.number = :number and job.number = ended.number
        and job.status || '' in ('completed', 'failed')
    returning job.number, ended.status as was, job.status
),
counted as (
    :_counted
)
select number from changed
