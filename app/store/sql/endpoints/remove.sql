-- Deletes the endpoint of :queue. Index: endpoints_pkey.
delete from rowline.endpoints where queue = :queue returning queue
