-- Pauses the endpoint of :queue for :pause_ms; a longer pause stays. Index: endpoints_pkey.
update rowline.endpoints
set paused_until = greatest(paused_until, statement_timestamp() + :pause_ms * interval '1 millisecond')
where queue = :queue and revision = :revision::uuid
returning queue
