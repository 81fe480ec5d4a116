-- Returns how many jobs :queue has in each status: the folded counts plus the deltas that are not folded.
-- Indexes: job_deltas_added_by, job_counts_pkey, job_folds_pkey.
with last as (
    :_last_fold
),
parts as (
    select
        sum(waiting) as waiting, sum(prioritized) as prioritized, sum(delayed) as delayed, sum(active) as active,
        sum(waiting_children) as waiting_children, sum(completed) as completed, sum(failed) as failed
    from rowline.job_deltas
    where queue = :queue and added_by >= (select folded_below from last)
    union all
    select
        sum(waiting), sum(prioritized), sum(delayed), sum(active), sum(waiting_children), sum(completed), sum(failed)
    from rowline.job_deltas
    where queue = :queue and added_by = any((select in_flight from last)::bigint[])
        and added_by < (select folded_below from last)
    union all
    select waiting, prioritized, delayed, active, waiting_children, completed, failed
    from rowline.job_counts
    where queue = :queue
)
select
    :_standing
from parts
