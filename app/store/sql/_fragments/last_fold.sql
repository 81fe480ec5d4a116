-- Up to which transaction the deltas are folded. A number in the future was restored from a dump of another server:
-- then all deltas count.
select
    in_flight,
    case when folded_below <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint then folded_below else 0 end
        as folded_below
from rowline.job_folds
where is_only
