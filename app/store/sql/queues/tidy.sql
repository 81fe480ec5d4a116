-- Deletes the row of :queue if it sets nothing any more. Index: queue_settings_pkey.
delete from rowline.queue_settings
where queue = :queue and paused_at is null and remove_on_complete is null and remove_on_fail is null
    and start_within_ms is null and defaults is null and keys is null
returning queue
