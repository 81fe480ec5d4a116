-- Returns what was published of :queue after the event :after, and gaps, as `after` does. Index: events_of_queue.
select last_id, size, queue, verb, at_ms, numbers, worker, details
from (
    select *, sum(size) over (order by last_id rows unbounded preceding) - size as before
    from (
        select
            found.last_id, found.size, found.queue, found.verb,
            floor(extract(epoch from found.at) * 1000)::bigint as at_ms, found.numbers, found.worker, found.details
        from (values (:queue), ('')) as wanted (queue)
        cross join lateral (
            select * from rowline.events as each
            where each.queue = wanted.queue and each.last_id > :after
            order by each.last_id
            limit 1000
        ) as found
        order by found.last_id
        limit 1000
    ) as found
) as summed
where before < :most
order by last_id
