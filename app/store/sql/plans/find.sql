-- Returns a plan of :queue. Index: plans_pkey.
select
    :_plan
from rowline.plans
where queue = :queue and id = :id::uuid
