create view report.counts as
with last as (
    select
        in_flight,
        -- A number from the future came with a dump, from another server: then all deltas that are there count.
        case when folded_below <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint then folded_below else 0 end
            as folded_below
    from rowline.job_folds
    where is_only
)
select
    queue,
    sum(waiting)::bigint as waiting,
    sum(prioritized)::bigint as prioritized,
    sum(delayed)::bigint as delayed,
    sum(active)::bigint as active,
    sum(waiting_children)::bigint as waiting_children,
    sum(completed)::bigint as completed,
    sum(failed)::bigint as failed
from (
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    from rowline.job_deltas
    where added_by >= (select folded_below from last)
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    from rowline.job_deltas
    where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    from rowline.job_counts
) as part
group by queue
having sum(waiting + prioritized + delayed + active + waiting_children + completed + failed) > 0;
comment on view report.counts is 'One row a queue: how many jobs it has in each status, exactly.';
comment on column report.counts.queue is 'text: the queue';
comment on column report.counts.waiting is 'bigint: jobs in line without a priority';
comment on column report.counts.prioritized is 'bigint: jobs in line with a priority';
comment on column report.counts.delayed is 'bigint: jobs that will join the line later';
comment on column report.counts.active is 'bigint: jobs that run';
comment on column report.counts.waiting_children is 'bigint: jobs that wait for others';
comment on column report.counts.completed is 'bigint: jobs that are kept and ended well';
comment on column report.counts.failed is 'bigint: jobs that are kept and ended badly';
