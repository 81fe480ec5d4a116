-- Returns the length in bytes of the texts of jobs of :queue: by number of those without a custom id, and by custom id.
-- Indexes: jobs_pkey, jobs_custom_id.
select
    number::text as id,
    :_bytes
    as bytes
from rowline.jobs
where queue = :queue and number = any(:numbers::bigint[]) and custom_id is null
union all
select
    custom_id,
    :_bytes
    as bytes
from rowline.jobs
where queue = :queue and custom_id = any(:custom_ids::text[])
