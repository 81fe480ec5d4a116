-- Locks a job of :queue; returns what the verbs of one job decide by, and what the audit says of it. Index: jobs_pkey.
select number, status, lease_token, attempts_made, name, priority, lifo, delay_ms, attempts, tags, opts,
    effective
from rowline.jobs
where queue = :queue and number = :number
for update
