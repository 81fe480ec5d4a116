-- Stores the same secrets of :queue, encrypted with another key; the revision stays. Index: endpoints_pkey.
update rowline.endpoints
set headers = :headers::bytea, secrets = :secrets::bytea
where queue = :queue
returning queue
