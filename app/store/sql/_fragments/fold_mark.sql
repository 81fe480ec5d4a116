-- Marks how far the deltas are folded: all in the snapshot of this statement are, if `whole` says so; and how far the
-- events are published.
update rowline.job_folds as fold
set folded_below = below.folded,
    published_below = below.folded,
    in_flight = case when whole.is_whole then seen.in_flight else fold.in_flight end,
    next_event = coalesce((select max(last_id) + 1 from published), fold.next_event),
    has_gap = not stand.publishes and (fold.has_gap or stand.is_gone or exists (select from taken)),
    history = case when stand.publishes then coalesce(stand.history, fold.history) else fold.history end
from stand
cross join whole
cross join seen
cross join lateral (
    select case when whole.is_whole then seen.folded_below else stand.folded_below end as folded
) as below
where fold.is_only
    and (exists (select from taken) or stand.is_gone or (stand.has_gap and stand.publishes))
