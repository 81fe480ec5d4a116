-- Returns the ids and the names of the jobs :numbers of :queues: without :has_names only of those that have an id besides
-- their number, and of those that do not exist. Index: jobs_pkey.
select given.number, job.number is not null as is_there, job.custom_id, job.name
from unnest(:queues::text[], :numbers::bigint[]) as given (queue, number)
left join rowline.jobs as job on job.queue = given.queue and job.number = given.number
where :has_names or job.number is null or job.custom_id is not null
