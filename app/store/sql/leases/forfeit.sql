-- forfeit: active -> active
-- Ends these leases at once, because their process died; recover_stalled then finds the jobs. HOT: touches no index.
-- The numbers: as in complete.
update rowline.jobs as job
set leased_until = statement_timestamp()
where job.queue = :queue and job.number = any(:numbers::bigint[])
    and job.status || '' = 'active'
    and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
    and job.leased_until > statement_timestamp()
returning job.number
