-- Returns the numbers of the first :limit jobs after the number :after that a plan means. Index: plan_jobs_pkey.
select number from rowline.plan_jobs
where queue = :queue and plan = :id::uuid and number > :after
order by number
limit :limit
