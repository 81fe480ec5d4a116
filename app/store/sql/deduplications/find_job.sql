-- Returns the whole job that holds the deduplication id :dedup_id in :queue, or held it last, and the end of its window and
-- whether that is to come; no row if it is gone, or its texts are longer than :max_bytes bytes. Locks nothing.
-- Indexes: deduplications_pkey, jobs_pkey.
select
    :_job
    , held.expires_at, held.is_open
from (
    select
        one.number as held_number, one.expires_at,
        coalesce(one.expires_at > statement_timestamp(), false) as is_open
    from rowline.deduplications as one
    where one.queue = :queue and one.dedup_id = :dedup_id
) as held
cross join lateral (
    select * from rowline.jobs as job where job.queue = :queue and job.number = held.held_number limit 1
) as job
where
    :_bytes
    <= :max_bytes::bigint
