-- undo_retry: waiting, prioritized, delayed -> completed, failed
-- Puts those of the jobs of :numbers back as they were that a plan retried and that have not begun since. One with another
-- run_at was retried or promoted by hand meanwhile, and stays; so does what a change by hand has set. The caller has locked
-- their rows. They are counted, but not as completed or failed again (`summed.sql`). Returns how many they are.
-- Indexes: jobs_pkey, plan_retried_pkey.
with before as (
    select array_agg(number order by number) as numbers, array_agg(status order by number) as statuses
    from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[]) and status || '' in ('waiting', 'prioritized', 'delayed')
),
changed as (
    update rowline.jobs as job
    set (
            status, run_at, place, attempts_made, stalled_count, processed_by, finished_at, cancel_requested_at,
            failed_reason, failed_code, fingerprint, result, start_by
        ) = (
            select
                kept.status, kept.run_at, case when job.lifo then - abs(kept.place) else kept.place end,
                kept.attempts_made, kept.stalled_count, kept.processed_by, kept.finished_at, kept.cancel_requested_at,
                kept.failed_reason, kept.failed_code, kept.fingerprint, kept.result, kept.start_by
            from rowline.plan_retried as kept
            where kept.queue = :queue and kept.plan = :id::uuid and kept.number = job.number
        )
    where job.queue = :queue and job.number = any(:numbers::bigint[])
        and job.status || '' in ('waiting', 'prioritized', 'delayed')
        and (
            select
                job.attempts_started = kept.attempts_started
                and (job.run_at = kept.retried_at or job.status || '' = 'delayed')
            from rowline.plan_retried as kept
            where kept.queue = :queue and kept.plan = :id::uuid and kept.number = job.number
        )
    :_moved
        , job.attempts_started, job.failed_reason as reason, job.processed_by
),
gone as (
    delete from rowline.plan_retried as kept
    where kept.queue = :queue and kept.plan = :id::uuid and kept.number = any(array(select number from changed))
),
counted as (
    :_recovered
)
select count(*) as undone from changed
