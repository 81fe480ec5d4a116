-- Returns :limit failed jobs of any queues that have no fingerprint: a release before revision 0032 failed them. The caller
-- locks them queue by queue. Index: jobs_unprinted.
select queue, number
from rowline.jobs
where '' || status = 'failed' and fingerprint is null and failed_reason is not null
order by queue, number
limit :limit
