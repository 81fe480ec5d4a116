-- Returns the jobs that have the ids of the first :limit jobs that a plan removed and its undo left, by id; without those
-- whose texts are longer than :max_bytes bytes. Indexes: plan_removed_pkey, jobs_custom_id.
select
    :_job
from rowline.jobs
where queue = :queue
    and custom_id = any(array(
        select custom_id from rowline.plan_removed
        where queue = :queue and plan = :id::uuid
        order by number
        limit :limit
    ))
    and
    :_bytes
    <= :max_bytes::bigint
order by custom_id
