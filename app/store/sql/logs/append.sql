-- append: active -> active
-- Appends a line to the log of a job whose lease is held; returns the line's number and how many lines the job keeps.
-- The lock keeps the job from being removed meanwhile, which would leave the line behind.
with held as (
    select job.queue, job.number, job.logs_kept
    from rowline.jobs as job
    where job.queue = :queue and job.number = :number and job.status || '' = 'active'
        and job.lease_token = :token::uuid and job.leased_until > statement_timestamp()
    for key share of job
),
added as (
    insert into rowline.logs (queue, number, line)
    select queue, number, :line from held
    returning number, line_number
),
changed as (
    select number, line_number from added
),
told as (
    :_told
)
select added.line_number, held.logs_kept from added cross join held
