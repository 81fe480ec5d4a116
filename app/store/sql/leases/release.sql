-- release: active -> waiting, prioritized
-- Hands these jobs back unharmed: no attempt and no stall is counted, and each keeps its old place in line.
update rowline.jobs as job
set status = case when job.priority > 0 then 'prioritized' else 'waiting' end,
    lease_token = null,
    leased_until = null
from unnest(:numbers::bigint[], :tokens::uuid[]) as held (number, token)
where job.queue = :queue and job.number = any(:numbers) and job.number = held.number
    and job.status || '' = 'active'
    and job.lease_token = held.token and job.leased_until > statement_timestamp()
returning job.number
