-- Locks those of :numbers in :queue that are failed and have no fingerprint, and returns what theirs are made of. Skips
-- locked rows.
select number, failed_reason as reason, stacktrace[cardinality(stacktrace)] as stack
from rowline.jobs
where queue = :queue and number = any(:numbers::bigint[]) and status || '' = 'failed' and fingerprint is null
order by number
for update skip locked
