-- Returns where events are put now, for how many ms they were, and how many bytes they take there. Index: job_folds_pkey.
select
    slot,
    floor(extract(epoch from statement_timestamp() - slot_began_at) * 1000)::bigint as age_ms,
    pg_total_relation_size(to_regclass('rowline.events_' || slot)) as bytes
from rowline.job_folds
where is_only
