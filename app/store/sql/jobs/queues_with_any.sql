-- Returns the names of up to :most queues that may have jobs, of those that match one of :readable and one of :shown.
-- Indexes: job_counts_pkey, job_deltas_added_by, job_folds_pkey.
with last as (
    :_last_fold
)
select found.queue
from (
    (
        select queue from rowline.job_counts
        where queue like any(:readable::text[]) and queue like any(:shown::text[])
            and (
                waiting <> 0 or prioritized <> 0 or delayed <> 0 or active <> 0 or waiting_children <> 0
                or completed <> 0 or failed <> 0
            )
        order by queue
        limit :most
    )
    union
    select queue from rowline.job_deltas
    where added_by >= (select folded_below from last)
        and queue like any(:readable::text[]) and queue like any(:shown::text[])
    union
    select queue from rowline.job_deltas
    where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
        and queue like any(:readable::text[]) and queue like any(:shown::text[])
) as found
limit :most
