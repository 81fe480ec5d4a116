-- retry: completed, failed -> waiting, prioritized
-- Retries the jobs of :numbers that have ended, of which all attempts are to be made again, and keeps for the undo of the
-- plan what a retry overwrites. The caller has locked their rows.
with
:_before_retry
,
kept as (
    insert into rowline.plan_retried (
        plan, queue, number, attempts_started, retried_at,
        status, run_at, place, attempts_made, stalled_count, processed_by, finished_at, cancel_requested_at,
        failed_reason, failed_code, fingerprint, result, start_by
    )
    select
        :id::uuid, queue, number, attempts_started, statement_timestamp(),
        status, run_at, place, attempts_made, stalled_count, processed_by, finished_at, cancel_requested_at,
        failed_reason, failed_code, fingerprint, result, start_by
    from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[]) and status || '' in ('completed', 'failed')
),
changed as (
    update rowline.jobs as job
    set attempts_made = 0,
        :_retried
),
counted as (
    :_counted
)
select number from changed
