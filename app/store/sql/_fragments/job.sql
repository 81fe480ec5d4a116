-- All columns of a job, in the order of `Job` (`app/domain/job.py`).
queue, number, custom_id, name, data, opts, status, priority, lifo, delay_ms, run_at, timeout_ms, attempts_made,
attempts_started, stalled_count, progress, result, failed_reason, stacktrace, added_at, processed_at, finished_at,
processed_by
