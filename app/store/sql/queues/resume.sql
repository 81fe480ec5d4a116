-- Ends the pause of :queue, and with it the row, which has no other setting. Returns the pause that it was.
-- Index: queue_settings_pkey.
delete from rowline.queue_settings
where queue = :queue and paused_at is not null
returning paused_at, paused_by, pause_reason
