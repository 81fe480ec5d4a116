-- Counts the jobs of :queue that dispatchers are calling for now. Index: jobs_active.
select count(*) as calls
from rowline.jobs
where queue = :queue and status = 'active' and processed_by like 'push:%' and leased_until > statement_timestamp()
