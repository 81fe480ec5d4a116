-- Forgets that a plan means the first jobs, up to the number :until. Returns how many. Index: plan_jobs_pkey.
with gone as (
    delete from rowline.plan_jobs
    where queue = :queue and plan = :id::uuid and number <= :until and number > :after
    returning number
)
select count(*) as jobs from gone
