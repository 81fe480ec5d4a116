-- Leases the jobs that `walked` has locked and returns them whole; without any, one row says how long the scan took.
moved as (
    :_lease
    returning job.*, case when job.priority > 0 then 'prioritized' else 'waiting' end as was
),
counted as (
    :_counted
)
select
    :_job
    , lease_token, leased_until, place, extract(epoch from walked.at - statement_timestamp())::float8 as took_s,
    walked.is_cut
from walked
left join moved on true
order by priority, place
