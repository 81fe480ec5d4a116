-- Returns plans of all queues of which something is to be forgotten: those that ended over :kept_s seconds ago, or over
-- :idle_kept_s if they did nothing; those that ended and still name jobs that they meant; and those that were not applied within
-- :planned_s seconds. Reads all plans. Indexes: plans_pkey, plan_jobs_pkey.
select plan.queue, plan.id, plan.is_over, plan.is_expired
from (
    select
        queue, id, ended_at,
        coalesce(
            ended_at < statement_timestamp()
            - case when done = 0 then :idle_kept_s::bigint else :kept_s::bigint end * interval '1 second', false
        ) as is_over,
        coalesce(
            status = 'planned' and planned_at < statement_timestamp() - :planned_s::bigint * interval '1 second', false
        ) as is_expired
    from rowline.plans
) as plan
where plan.is_over or plan.is_expired
    or plan.ended_at is not null and (
        select meant.number from rowline.plan_jobs as meant where meant.plan = plan.id and meant.queue = plan.queue limit 1
    ) is not null
order by plan.id, plan.queue
