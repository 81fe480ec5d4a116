-- The columns of `job_counts`: what there is of each status, and the totals, which `totals` adds to.
queue, waiting, prioritized, delayed, active, waiting_children, completed, failed,
total_added, total_claimed, total_completed, total_failed, total_removed,
total_attempts_failed, total_retried, total_released, total_stalled,
total_waits, total_wait_s, total_runs, total_run_s, active_at
