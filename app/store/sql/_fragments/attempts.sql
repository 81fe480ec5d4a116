-- The attempts that :numbers and :tokens name. The numbers are distinct and ascending, so that bisection finds the
-- values of a job: a join with the arrays compared all pairs.
where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'active'
    and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
