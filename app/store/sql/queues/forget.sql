-- Deletes the row of :queue, whatever it sets. Index: queue_settings_pkey.
delete from rowline.queue_settings where queue = :queue returning queue
