-- Returns :length plans of the queues whose names match one of :allowed, from :start on: first those that go on by
-- themselves, then the others, each the newest first. Indexes: plans_created, plans_unfinished.
with running as materialized (
    select
        queue, id, created_at, true as is_running
    from rowline.plans
    where status in ('planning', 'queued', 'applying', 'undoing') and queue like any(:allowed::text[])
),
others as materialized (
    select
        queue, id, created_at, false as is_running
    from rowline.plans
    where status || '' not in ('planning', 'queued', 'applying', 'undoing') and queue like any(:allowed::text[])
    order by created_at desc, queue desc
    limit :start::bigint + :length::bigint
),
chosen as (
    select * from running
    union all
    select * from others
    order by is_running desc, created_at desc, queue, id
    limit :length offset :start
)
select
    :_plan
from rowline.plans
where (queue, id) in (select queue, id from chosen)
order by status in ('planning', 'queued', 'applying', 'undoing') desc, created_at desc, queue, id
