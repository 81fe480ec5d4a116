-- Returns the first :limit jobs that a plan means and has not come to yet, as far as they are there, by number; without those
-- whose texts are longer than :max_bytes bytes. Indexes: plan_jobs_pkey, jobs_pkey.
select
    :_job
from rowline.jobs
where queue = :queue
    and number = any(array(
        select number from rowline.plan_jobs
        where queue = :queue and plan = :id::uuid
        order by number
        limit :limit
    ))
    and
    :_bytes
    <= :max_bytes::bigint
order by number
