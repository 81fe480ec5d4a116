-- Returns a row if the settings of :queue name keys. Index: queue_settings_pkey.
select from rowline.queue_settings where queue = :queue and keys is not null
