-- Returns the next :limit schedules that are due, after a place, of all queues but those of :but_of, in the order of their ticks.
-- Locks nothing. Index: schedules_due; it reads past those of :but_of.
select due.next_at, due.queue, due.id
from rowline.schedules as due
where due.next_at is not null and due.paused_at is null
    and due.next_at <= floor(extract(epoch from statement_timestamp()) * 1000)::bigint
    and due.queue <> all(:but_of::text[])
    and (due.next_at, due.queue, due.id) > (:after_at, :after_queue, :after_id)
order by due.next_at, due.queue, due.id
limit :limit
