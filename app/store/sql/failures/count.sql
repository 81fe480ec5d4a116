-- Counts failed jobs of :queue by their fingerprints: the first :limit behind (:after, :after_number), in the order of both.
-- The condition is that of the index, which no other serves. Index: jobs_fingerprint.
select
    step.fingerprint, count(*) as jobs, max(step.number) as last_number,
    min(step.finished_at) as first_at, max(step.finished_at) as last_at
from (
    select job.fingerprint, job.number, job.finished_at
    from rowline.jobs as job
    where '' || job.status = 'failed' and job.fingerprint is not null
        and (job.queue, job.fingerprint, job.number) > (:queue, :after, :after_number::bigint)
        and (job.queue, job.fingerprint) < (:queue, 'g')
    order by job.queue, job.fingerprint, job.number
    limit :limit
) as step
group by step.fingerprint
order by step.fingerprint
