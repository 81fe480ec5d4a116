-- Up to where the deltas are folded. A number from the future came with a dump, from another server: then all deltas that
-- are there count.
select
    in_flight,
    case when folded_below <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint then folded_below else 0 end
        as folded_below
from rowline.job_folds
where is_only
