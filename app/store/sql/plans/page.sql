-- Returns :length plans of :queue, the newest first, from :start on. Index: plans_created.
select
    :_plan
from rowline.plans
where queue = :queue
order by created_at desc
limit :length offset :start
