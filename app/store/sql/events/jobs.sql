-- Returns the ids and the names of the jobs :numbers of :queues that exist. Index: jobs_pkey.
select job.queue, job.number, job.custom_id, job.name
from unnest(:queues::text[], :numbers::bigint[]) as given (queue, number)
cross join lateral (
    select queue, number, custom_id, name from rowline.jobs
    where queue = given.queue and number = given.number
) as job
