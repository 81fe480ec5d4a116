-- Deletes the counts of up to :limit queues that have no job and no setting, in which nothing happened for :idle_s,
-- and which metrics do not name: so none as long as fewer than :most have a name. What all the others count together
-- stays as it is. Returns how many. The caller holds the lock (try_lock). Reads the counts of all queues.
-- Indexes: queue_settings_pkey, job_counts_pkey, carried_totals_pkey.
with unused as (
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
        total_added, total_claimed, total_completed, total_failed, total_removed,
        total_attempts_failed, total_retried, total_released, total_stalled
),
carried as (
    update rowline.carried_totals as total
    set
        added = total.added + gone.added,
        claimed = total.claimed + gone.claimed,
        completed = total.completed + gone.completed,
        failed = total.failed + gone.failed,
        removed = total.removed + gone.removed,
        attempts_failed = total.attempts_failed + gone.attempts_failed,
        retried = total.retried + gone.retried,
        released = total.released + gone.released,
        stalled = total.stalled + gone.stalled
    from (
        select
            sum(total_added)::bigint as added,
            sum(total_claimed)::bigint as claimed,
            sum(total_completed)::bigint as completed,
            sum(total_failed)::bigint as failed,
            sum(total_removed)::bigint as removed,
            sum(total_attempts_failed)::bigint as attempts_failed,
            sum(total_retried)::bigint as retried,
            sum(total_released)::bigint as released,
            sum(total_stalled)::bigint as stalled
        from unused
        having count(*) > 0
    ) as gone
    where is_only
)
select count(*) as queues from unused
