-- Returns how many deltas are not folded, and how far the fold is; and of the plans and the terms that are being worked how far each
-- is, by its name, as JSON. A plan that has to wait, by its rate or for others, is not among them. Indexes: job_deltas_added_by,
-- job_folds_pkey, plans_unfinished, term_fills_pkey.
with last as (
    :_last_fold
)
select
    (
        :_unfolded
    ) as deltas,
    (
        select concat_ws(' ', folded_below, in_flight, (select min(added_by) from rowline.job_deltas
        where added_by >= (select folded_below from last)))
        from rowline.job_folds where is_only
    ) as folded,
    (
        select coalesce(
            json_object_agg(queue || '/' || id, concat_ws(' ', status, at, matched, done, undone, not_undone, skipped) order by queue, id),
            '{}'
        )
        from rowline.plans
        where status in ('planning', 'applying', 'undoing') and (next_at is null or next_at <= statement_timestamp())
    ) as plans,
    (
        select coalesce(
            json_object_agg(queue || '/' || path, concat_ws(' ', status, at, until, looked_at) order by queue, path),
            '{}'
        )
        from rowline.term_fills
        where status in ('filling', 'clearing')
    ) as terms,
    (
        select coalesce(json_agg(queue || '/' || path order by queue, path), '[]')
        from rowline.term_fills
        where status in ('waiting', 'settling', 'leaving')
            and waiting_since < statement_timestamp() - :waited_s::double precision * interval '1 second'
    ) as waiting
