-- Writes the same secrets of :queue, sealed under another key; no new registration. Index: endpoints_pkey.
update rowline.endpoints
set headers = :headers::bytea, secrets = :secrets::bytea
where queue = :queue
returning queue
