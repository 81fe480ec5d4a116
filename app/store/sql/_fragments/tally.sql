-- Adds what happened in a queue to a row of its minutes, hours or days.
added = existing.added + excluded.added,
claimed = existing.claimed + excluded.claimed,
completed = existing.completed + excluded.completed,
failed = existing.failed + excluded.failed,
retried = existing.retried + excluded.retried,
stalled = existing.stalled + excluded.stalled,
waits = case when excluded.waits is null then existing.waits else array(
    select coalesce(one, 0) + coalesce(other, 0)
    from unnest(existing.waits, excluded.waits) with ordinality as pair (one, other, nth)
    order by nth
) end,
wait_s = existing.wait_s + excluded.wait_s,
runs = case when excluded.runs is null then existing.runs else array(
    select coalesce(one, 0) + coalesce(other, 0)
    from unnest(existing.runs, excluded.runs) with ordinality as pair (one, other, nth)
    order by nth
) end,
run_s = existing.run_s + excluded.run_s
