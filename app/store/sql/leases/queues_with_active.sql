-- Names the queues that have active jobs. Index: jobs_active, one probe a queue.
with recursive active as (
    (select queue from rowline.jobs where status = 'active' order by queue limit 1)
    union all
    select (
        select queue from rowline.jobs
        where status = 'active' and queue > active.queue
        order by queue
        limit 1
    )
    from active
    where active.queue is not null
)
select queue from active where queue is not null
