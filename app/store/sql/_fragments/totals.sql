-- Adds what happened in a queue to its totals, which never fall.
total_added = existing.total_added + excluded.total_added,
total_claimed = existing.total_claimed + excluded.total_claimed,
total_completed = existing.total_completed + excluded.total_completed,
total_failed = existing.total_failed + excluded.total_failed,
total_removed = existing.total_removed + excluded.total_removed,
total_attempts_failed = existing.total_attempts_failed + excluded.total_attempts_failed,
total_retried = existing.total_retried + excluded.total_retried,
total_released = existing.total_released + excluded.total_released,
total_stalled = existing.total_stalled + excluded.total_stalled,
total_waits = case when excluded.total_waits is null then existing.total_waits else array(
    select coalesce(one, 0) + coalesce(other, 0)
    from unnest(existing.total_waits, excluded.total_waits) with ordinality as pair (one, other, nth)
    order by nth
) end,
total_wait_s = existing.total_wait_s + excluded.total_wait_s,
total_runs = case when excluded.total_runs is null then existing.total_runs else array(
    select coalesce(one, 0) + coalesce(other, 0)
    from unnest(existing.total_runs, excluded.total_runs) with ordinality as pair (one, other, nth)
    order by nth
) end,
total_run_s = existing.total_run_s + excluded.total_run_s,
active_at = coalesce(excluded.active_at, existing.active_at)
