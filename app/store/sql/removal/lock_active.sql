-- Locks the first :limit active jobs of :queue after the number :after, up to the number :until; returns their numbers.
-- Waits for row locks. Index: jobs_active.
select number from rowline.jobs as job
where job.queue = :queue and job.status = 'active' and job.number > :after and job.number <= :until
order by job.number
limit :limit
for update
