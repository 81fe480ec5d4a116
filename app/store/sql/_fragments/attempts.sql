-- The attempts that :numbers and :tokens name. The numbers are different and ascending: what is said of a job is found by
-- bisection, since a join with what is said compared all with all.
where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'active'
    and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
