-- What a statement returns of an attempt that ends, without its outcome.
job.queue, job.number, 'active' as was, job.status, job.attempts_started, job.processed_by, job.processed_at,
job.delay_ms,
:_goes
