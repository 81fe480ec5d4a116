-- Counts the endpoints, those that are switched off too. Index: endpoints_pkey.
select count(*) as number from rowline.endpoints
