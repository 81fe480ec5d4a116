-- Writes which workers the process :process sees, in one statement, and deletes those that it sees no more.
-- No other process writes its rows; who forgets old ones skips locked rows. Index: queue_workers_pkey.
with gone as (
    delete from rowline.queue_workers as old
    using unnest(:gone_queues::text[], :gone_workers::text[]) as gone (queue, worker)
    where old.queue = gone.queue and old.worker = gone.worker and old.process = :process
)
insert into rowline.queue_workers as old (queue, worker, process, way, slots, busy, seen_at)
select
    seen.queue, seen.worker, :process, seen.way, seen.slots, seen.busy,
    statement_timestamp() - seen.ago_ms * interval '1 millisecond'
from unnest(
    :queues::text[], :workers::text[], :ways::text[], :slots::integer[], :busy::integer[], :ago_ms::bigint[]
) as seen (queue, worker, way, slots, busy, ago_ms)
on conflict (queue, worker, process) do update
set way = excluded.way, slots = excluded.slots, busy = excluded.busy, seen_at = excluded.seen_at
returning queue
