-- Returns those of the given jobs that have ended, or that do not exist. Index: jobs_pkey, one probe per job.
select asked.queue, asked.number
from unnest(:queues::text[], :numbers::bigint[]) as asked (queue, number)
left join lateral (
    select job.status from rowline.jobs as job
    where job.queue = asked.queue and job.number = asked.number
    limit 1
) as found on true
where found.status is null or found.status in ('completed', 'failed')
