-- Returns those of these completions that are repetitions: the same attempt completed before, with the same result, or it
-- completed and its job was removed then. Indexes: jobs_pkey, removed_jobs_pkey.
-- The numbers: as in `_fragments/attempts.sql`.
select job.number
from rowline.jobs as job
where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'completed'
    and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
    and job.result::text = (:results::text[])[width_bucket(job.number, :numbers::bigint[])]
union all
select removed.number
from rowline.removed_jobs as removed
where removed.queue = :queue and removed.number = any(:numbers::bigint[])
    and removed.lease_token = (:tokens::uuid[])[width_bucket(removed.number, :numbers::bigint[])]
    and removed.outcome is null
