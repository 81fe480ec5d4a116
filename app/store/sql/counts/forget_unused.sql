-- Deletes the counts of up to :limit queues that have no job and no setting, in which nothing happened for :idle_s,
-- and which metrics do not name: so none as long as fewer than :most have a name. What all the others count together
-- stays as it is. Returns how many. The caller holds the lock (try_lock). Reads the counts of all queues.
-- Indexes: queue_settings_pkey, job_counts_pkey, carried_totals_pkey.
with moved as (
    delete from rowline.job_counts
    where queue = any(array(
        select one.queue from rowline.job_counts as one
        where not one.is_named
            and (select count(*) from rowline.job_counts where is_named) >= :most
            and (waiting, prioritized, delayed, active, waiting_children, completed, failed) = (0, 0, 0, 0, 0, 0, 0)
            and (active_at >= statement_timestamp() - :idle_s * interval '1 second') is not true
            and not exists (select from rowline.queue_settings as setting where setting.queue = one.queue)
        limit :limit
    ))
    returning
        1 as sign, total_added, total_claimed, total_completed, total_failed, total_removed,
        total_attempts_failed, total_retried, total_released, total_stalled,
        total_waits, total_wait_s, total_runs, total_run_s
),
:_carried
select count(*) as queues from moved
