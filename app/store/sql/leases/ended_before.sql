-- Returns those of these attempts that ended before with one of :outcomes and whose jobs were not claimed since, or failed
-- then and were removed. Indexes: jobs_pkey, attempts_pkey, removed_jobs_pkey.
-- The numbers: as in `_fragments/attempts.sql`. A subquery per job, because a join compared all pairs.
select job.number, job.status
from rowline.jobs as job
where job.queue = :queue and job.number = any(:numbers::bigint[])
    and job.status || '' <> 'active'
    and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
    and (
        select attempt.outcome
        from rowline.attempts as attempt
        where attempt.queue = job.queue and attempt.number = job.number and attempt.nth = job.attempts_started
    ) = any(:outcomes::text[])
union all
select removed.number, 'failed' as status
from rowline.removed_jobs as removed
where removed.queue = :queue and removed.number = any(:numbers::bigint[])
    and removed.lease_token = (:tokens::uuid[])[width_bucket(removed.number, :numbers::bigint[])]
    and removed.outcome = any(:outcomes::text[])
