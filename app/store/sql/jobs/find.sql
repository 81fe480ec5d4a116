-- Returns whole jobs of :queue: by number those without a custom id, and by custom id. Leaves out jobs whose texts are
-- longer than :max_bytes bytes. Indexes: jobs_pkey, jobs_custom_id.
select
    :_job
from rowline.jobs
where queue = :queue and number = any(:numbers::bigint[]) and custom_id is null
    and
    :_bytes
    <= :max_bytes::bigint
union all
select
    :_job
from rowline.jobs
where queue = :queue and custom_id = any(:custom_ids::text[])
    and
    :_bytes
    <= :max_bytes::bigint
