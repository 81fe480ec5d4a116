-- extend: active -> active
-- Renews these leases to :lease_ms from now; a lease that is lost is not in the answer. HOT: touches no index.
update rowline.jobs as job
set leased_until = statement_timestamp() + :lease_ms * interval '1 millisecond'
from unnest(:numbers::bigint[], :tokens::uuid[]) as held (number, token)
where job.queue = :queue and job.number = any(:numbers) and job.number = held.number
    and job.status || '' = 'active'
    and job.lease_token = held.token and job.leased_until > statement_timestamp()
returning job.number
