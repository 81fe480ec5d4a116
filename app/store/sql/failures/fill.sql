-- Gives failed jobs of :queue their fingerprints. The caller has locked their rows; ascending numbers.
update rowline.jobs as job
set fingerprint = (:fingerprints::text[])[width_bucket(job.number, :numbers::bigint[])]
where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'failed'
returning job.number
