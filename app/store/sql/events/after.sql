-- Returns what was published after the event :after, in order: up to 1,000 notes, and, after the first, up to :most events.
-- Index: events_pkey.
select last_id, size, queue, verb, at_ms, numbers, worker, details
from (
    select *, sum(size) over (order by last_id rows unbounded preceding) - size as before
    from (
        select
            last_id, size, queue, verb, floor(extract(epoch from at) * 1000)::bigint as at_ms, numbers, worker, details
        from rowline.events
        where last_id > :after
        order by last_id
        limit 1000
    ) as found
) as summed
where before < :most
order by last_id
