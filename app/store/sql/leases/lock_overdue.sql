-- Locks jobs of :queue that exceeded their timeouts and whose leases have run out; returns what the decision to retry
-- depends on. Index: jobs_active. Skips locked rows, so that many processes can run it at once.
select number, lease_token, timeout_ms, attempts, attempts_made, backoff_type, backoff_delay_ms, backoff_jitter,
    cancel_requested_at
from rowline.jobs
where queue = :queue and status = 'active' and leased_until <= statement_timestamp()
    and processed_at + timeout_ms * interval '1 millisecond' <= statement_timestamp()
order by number
limit :limit
for update skip locked
