create view report.queue_workers as
select
    seen.queue,
    seen.worker,
    seen.way,
    greatest(seen.slots, held.jobs) as slots,
    coalesce(held.jobs, seen.busy) as busy,
    seen.seen_at
from (
    -- A worker over HTTP may have a row of each node that it calls; of another way the last row tells.
    select
        queue,
        worker,
        way,
        max(seen_at) as seen_at,
        (case way when 'pull' then max(slots) else (array_agg(slots order by seen_at desc))[1] end)::bigint as slots,
        (array_agg(busy order by seen_at desc))[1]::bigint as busy
    from rowline.queue_workers
    where seen_at > statement_timestamp() - interval '1 minute'
    group by queue, worker, way
) as seen
left join (
    select queue, processed_by as worker, 'pull' as way, count(*) as jobs
    from rowline.jobs
    where status = 'active'
    group by queue, processed_by
) as held on held.queue = seen.queue and held.worker = seen.worker and held.way = seen.way;
comment on view report.queue_workers is 'One row a queue and worker that was seen there within a minute, with or without jobs.';
comment on column report.queue_workers.queue is 'text: the queue';
comment on column report.queue_workers.worker is 'text: its name; one that begins with push: is a dispatcher';
comment on column report.queue_workers.way is 'text: python: it takes its jobs from the database; pull: by claims over HTTP; push: it sends them to an endpoint';
comment on column report.queue_workers.slots is 'bigint: jobs that it can run at a time; of pull the most that it asked for in a claim, or as many as it holds';
comment on column report.queue_workers.busy is 'bigint: how many of them run a job, up to 15 s ago; of pull the active jobs that it holds now';
comment on column report.queue_workers.seen_at is 'timestamp with time zone: when it was seen last';
