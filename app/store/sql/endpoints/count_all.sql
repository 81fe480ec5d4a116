-- Counts the endpoints, including those that are switched off. Index: endpoints_pkey.
select count(*) as number from rowline.endpoints
