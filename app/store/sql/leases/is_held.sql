-- Finds the job that an attempt holds: by its number, or by its custom id if it has one. Indexes: jobs_pkey, jobs_custom_id.
select number from rowline.jobs
where queue = :queue and number = :number and custom_id is null and status || '' = 'active'
    and lease_token = :token::uuid and leased_until > statement_timestamp()
union all
select number from rowline.jobs
where queue = :queue and custom_id = :custom_id and status || '' = 'active'
    and lease_token = :token::uuid and leased_until > statement_timestamp()
