-- Locks jobs of :queue whose timeout and whose lease are over, and reads what decides over a retry. Index: jobs_active.
-- Skips rows that others hold, so that any number of processes may do it at once.
select number, lease_token, timeout_ms, attempts, attempts_made, backoff_type, backoff_delay_ms, backoff_jitter,
    cancel_requested_at
from rowline.jobs
where queue = :queue and status = 'active' and leased_until <= statement_timestamp()
    and processed_at + timeout_ms * interval '1 millisecond' <= statement_timestamp()
order by number
limit :limit
for update skip locked
