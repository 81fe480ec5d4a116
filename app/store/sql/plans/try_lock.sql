-- Locks a plan of :queue, unless another transaction has, or its next step is not due; returns it. Index: plans_pkey.
select
    :_plan
from rowline.plans
where queue = :queue and id = :id::uuid and coalesce(next_at <= statement_timestamp(), true)
for update skip locked
