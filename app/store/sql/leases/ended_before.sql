-- Returns those of these attempts that ended before with one of :outcomes and whose jobs were not claimed since.
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
