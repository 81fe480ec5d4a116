-- forfeit: active -> active
-- Ends these leases at once, because their process died; recover_stalled then finds the jobs. HOT: touches no index.
update rowline.jobs as job
set leased_until = statement_timestamp()
from unnest(:numbers::bigint[], :tokens::uuid[]) as held (number, token)
where job.queue = :queue and job.number = any(:numbers) and job.number = held.number
    and job.status || '' = 'active'
    and job.lease_token = held.token and job.leased_until > statement_timestamp()
returning job.number
