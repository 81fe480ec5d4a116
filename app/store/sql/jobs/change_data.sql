-- change_data: active -> active
-- Changes the data of a job whose lease is held. HOT: changes no index.
with changed as (
    update rowline.jobs as job
    set data = :data::json
    where job.queue = :queue and job.number = :number and job.status || '' = 'active'
        and job.lease_token = :token::uuid and job.leased_until > statement_timestamp()
    returning job.number
),
told as (
    :_told
)
select number from changed
