-- Adds a plan of :queue, unless :limit of its plans are unfinished, of those that are applied at once, or of the others; returns
-- it. The caller has locked the plans of the queue. It means jobs with numbers up to :until; :most of them, null: all. One that
-- :is_direct is applied at once, and writes none down.
-- Index: plans_unfinished.
with given as (
    select :is_direct::boolean as is_direct, case when :is_direct::boolean then statement_timestamp() end as applied_at
)
insert into rowline.plans (
    queue, id, action, filter, change, status, until, is_direct, most, applied_at, created_by
)
select
    :queue, :id::uuid, :action, :filter::json, :change::json, case when is_direct then 'applying' else 'planning' end,
    :until::bigint, is_direct, :most::bigint, applied_at, :created_by
from given
where :limit::bigint > (
    select count(*) from rowline.plans as other
    where other.queue = :queue and other.status in ('planning', 'queued', 'applying', 'undoing', 'planned')
        and other.is_direct = given.is_direct
)
returning
    :_plan
