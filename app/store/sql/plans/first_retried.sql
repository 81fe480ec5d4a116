-- Returns the numbers of the first :limit jobs after the number :after that a plan retried. Index: plan_retried_pkey.
select number from rowline.plan_retried
where queue = :queue and plan = :id::uuid and number > :after
order by number
limit :limit
