-- Returns the first :limit jobs that a plan retried and its undo left, as far as they are there, by number; without those
-- whose texts are longer than :max_bytes bytes. Indexes: plan_retried_pkey, jobs_pkey.
select
    :_job
from rowline.jobs
where queue = :queue
    and number = any(array(
        select number from rowline.plan_retried
        where queue = :queue and plan = :id::uuid
        order by number
        limit :limit
    ))
    and
    :_bytes
    <= :max_bytes::bigint
order by number
