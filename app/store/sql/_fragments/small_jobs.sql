-- Jobs of :queue, without those whose texts are longer than :max_bytes bytes.
select
    :_job
from rowline.jobs
where
    :_bytes
    <= :max_bytes::bigint
    and queue = :queue
