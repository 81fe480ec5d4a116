-- Stores the progress of an attempt. HOT: changes no index.
update rowline.jobs as job
set progress = :progress::json
where job.queue = :queue and job.number = :number and job.status || '' = 'active'
    and job.lease_token = :token::uuid and job.leased_until > statement_timestamp()
returning job.number
