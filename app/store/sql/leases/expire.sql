-- expire: active -> active
-- Ends these leases now, because their process died; recover_stalled then finds the jobs. HOT: changes no index.
update rowline.jobs as job
set leased_until = statement_timestamp()
:_attempts
    and job.leased_until > statement_timestamp()
returning job.number
