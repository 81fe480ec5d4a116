-- Locks a plan of :queue; returns it. Waits for its row, so for a step of it. Index: plans_pkey.
select
    :_plan
from rowline.plans
where queue = :queue and id = :id::uuid
for update
