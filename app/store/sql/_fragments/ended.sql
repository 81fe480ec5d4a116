-- What is known of an attempt that ends, but for how it ended.
job.queue, job.number, 'active' as was, job.status, job.attempts_started, job.processed_by, job.processed_at
