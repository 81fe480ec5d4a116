-- Switches the endpoint of :queue off until it is switched on, or registered again. Index: endpoints_pkey.
update rowline.endpoints
set switched_off_at = statement_timestamp(), switched_off_reason = :reason
where queue = :queue and revision = :revision::uuid and switched_off_at is null
returning queue
