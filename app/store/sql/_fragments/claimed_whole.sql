-- Leases the jobs that `scanned` has locked and returns them whole; without any, one row says how long the scan took.
changed as (
    :_lease
    returning job.*, case when job.priority > 0 then 'prioritized' else 'waiting' end as was
),
counted as (
    :_counted
)
select
    :_job
    , lease_token, leased_until, place, extract(epoch from scanned.at - statement_timestamp())::float8 as took_s,
    scanned.is_truncated
from scanned
left join changed on true
order by priority, place
