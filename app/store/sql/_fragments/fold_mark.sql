-- Marks the deltas in the snapshot of this statement as folded.
update rowline.job_folds
set folded_below = least(
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
        pg_current_xact_id()::text::bigint
    ),
    in_flight = array(select xid::text::bigint from pg_snapshot_xip(pg_current_snapshot()) as xid)
where is_only
