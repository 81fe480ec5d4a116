-- Notes that the jobs of :numbers are meant by a plan of :queue. Returns how many.
with written as (
    insert into rowline.plan_jobs (queue, plan, number)
    select :queue, :id::uuid, number from unnest(:numbers::bigint[]) as number
    returning number
)
select count(*) as jobs from written
