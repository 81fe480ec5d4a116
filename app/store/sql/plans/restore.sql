-- restore: -> waiting, prioritized, delayed, completed, failed
-- Puts the next :limit jobs that a plan removed, after the number :after, back among the jobs, as they were; not those whose
-- custom id is taken. Returns how many it looked at, the last number, and how many came back. They are counted, but not as
-- added, completed or failed again (`summed.sql`). Index: plan_removed_pkey.
with kept as materialized (
    select
        :_row
    from rowline.plan_removed
    where queue = :queue and plan = :id::uuid and number > :after
    order by number
    limit :limit
),
changed as (
    insert into rowline.jobs as job (
        :_row
    )
    select
        :_row
    from kept
    on conflict (queue, custom_id) where custom_id is not null do nothing
    returning
        null as was, job.number, job.status,
        :_terms
        as terms
),
:_termed
,
gone as (
    delete from rowline.plan_removed as job
    where job.queue = :queue and job.plan = :id::uuid and job.number = any(array(select number from changed))
),
counted as (
    :_recovered
)
select count(*) as looked_at, max(number) as last, (select count(*) from changed) as restored from kept
