-- Deletes the first :limit jobs that a plan removed, for good, with their attempts and their logs. Index: plan_removed_pkey.
with changed as (
    delete from rowline.plan_removed as job
    where job.queue = :queue and job.plan = :id::uuid and job.number = any(array(
        select number from rowline.plan_removed
        :_first_of_plan
    ))
    returning job.number
),
:_traces
select number from changed
