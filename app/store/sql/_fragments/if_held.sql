-- Changes `job` if the lease of an attempt is held, tells of it, and returns its number; no row else. The condition keeps
-- the planner from the indexes of a status.
    where job.queue = :queue and job.number = :number and job.status || '' = 'active'
        and job.lease_token = :token::uuid and job.leased_until > statement_timestamp()
    returning job.number
),
told as (
    :_told
)
select number from changed
