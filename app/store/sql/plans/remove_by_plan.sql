-- remove_by_plan: waiting, prioritized, delayed, completed, failed -> (nowhere)
-- Moves the jobs of :numbers that are not active to the jobs that a plan removed, without their terms. What else they
-- leave behind, their attempts and their logs, stays as long as they do. The caller has locked their rows.
with moved as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = any(:numbers::bigint[])
        and job.status || '' in ('waiting', 'prioritized', 'delayed', 'completed', 'failed')
    returning
        :_row
),
kept as (
    insert into rowline.plan_removed (
        plan,
        :_row
    )
    select
        :id::uuid,
        :_row
    from moved
),
changed as (
    select
        job.number, job.custom_id, job.status as was, null::text as status,
        :_terms
        as terms
    from moved as job
),
:_untermed
,
counted as (
    :_counted
)
select number from changed
