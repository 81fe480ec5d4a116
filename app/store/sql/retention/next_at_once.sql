-- Returns of the next :limit jobs of :queue in :status after the number :after, in one row: how many they are, the number of
-- the last one, and the numbers of those that say nothing themselves of how long they are kept. The bounds are rows, as in
-- `jobs/search`. Index: jobs_listed.
select
    count(*) as looked_at, max(walked.number) as last,
    coalesce(array_agg(walked.number order by walked.number) filter (where walked.says_nothing), '{}') as numbers
from (
    select
        job.number,
        (
            :_own_kept
        ) is null as says_nothing
    from rowline.jobs as job
    where (job.queue, job.status, job.number) > (:queue, :status, :after) and (job.queue, job.status) <= (:queue, :status)
        and job.status <> 'active'
    order by job.queue, job.status, job.number
    limit :limit
) as walked
