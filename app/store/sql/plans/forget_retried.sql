-- Forgets how the first :limit jobs that a plan retried were before. Index: plan_retried_pkey.
delete from rowline.plan_retried as kept
where kept.queue = :queue and kept.plan = :id::uuid and kept.number = any(array(
    select number from rowline.plan_retried
    :_first_of_plan
))
returning kept.number
