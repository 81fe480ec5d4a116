-- Returns the queues of the first :limit jobs that are due after (:after_at, :after_number), in the order of their
-- times, how many jobs these are, and the last one, to go on after; no row if none is due. Index: jobs_due.
with due as materialized (
    select queue, run_at, number
    from rowline.jobs
    where '' || status = 'delayed' and run_at <= statement_timestamp()
        and (run_at, number) > (:after_at::timestamptz, :after_number::bigint)
    order by run_at, number
    limit :limit
)
select
    (select array_agg(distinct queue) from due) as queues, (select count(*) from due) as found,
    due.run_at::text as last_at, due.number as last_number
from due
order by due.run_at desc, due.number desc
limit 1
