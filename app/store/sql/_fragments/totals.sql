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
active_at = coalesce(excluded.active_at, existing.active_at)
