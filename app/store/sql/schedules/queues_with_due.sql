-- Returns the next :limit schedules of all queues that are due, after a place, in the order of their ticks. Locks nothing.
-- Index: schedules_due.
select due.next_at, due.queue, due.id
from rowline.schedules as due
where due.next_at is not null and due.paused_at is null
    and due.next_at <= floor(extract(epoch from statement_timestamp()) * 1000)::bigint
    and (due.next_at, due.queue, due.id) > (:after_at, :after_queue, :after_id)
order by due.next_at, due.queue, due.id
limit :limit
