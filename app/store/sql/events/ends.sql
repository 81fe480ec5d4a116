-- Returns the ids of the newest event and of the oldest that is kept; without any the latter is the next one. And the time.
-- Indexes: events_pkey, job_folds_pkey.
select
    fold.next_event - 1 as newest,
    coalesce((select last_id - size + 1 from rowline.events order by last_id limit 1), fold.next_event) as oldest,
    floor(extract(epoch from statement_timestamp()) * 1000)::bigint as now_ms
from rowline.job_folds as fold
where fold.is_only
