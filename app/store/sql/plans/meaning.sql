-- Returns the plans of :queue that are not finished, those that were applied first as the first, and whether each has
-- written down the job :number; null: no job is meant. Indexes: plans_unfinished; plan_jobs_pkey, one probe a plan.
select
    :_plan
    ,
    exists (
        select from rowline.plan_jobs as meant
        where meant.queue = :queue and meant.plan = plans.id and meant.number = :number::bigint
    ) as is_written
from rowline.plans
where queue = :queue and status in ('planning', 'planned', 'queued', 'applying', 'undoing')
order by applied_at nulls last, id
