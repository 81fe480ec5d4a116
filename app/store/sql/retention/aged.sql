-- Returns which of :queues have, in the status of :statuses, a job with the lowest number that ended more than
-- :ages_s seconds ago: their numbers in the arrays, from 1. The bounds are rows, as in `jobs/search`. Index: jobs_listed,
-- one probe for each.
select asked.nth
from unnest(:queues::text[], :statuses::text[], :ages_s::bigint[]) with ordinality as asked (queue, status, age_s, nth)
cross join lateral (
    select finished_at from rowline.jobs as job
    where (job.queue, job.status) >= (asked.queue, asked.status) and (job.queue, job.status) <= (asked.queue, asked.status)
        and job.status <> 'active'
    order by job.queue, job.status, job.number
    limit 1
) as first
where first.finished_at < statement_timestamp() - asked.age_s * interval '1 second'
