-- Locks the endpoint of :queue and returns its encrypted values, to encrypt them again. Index: endpoints_pkey.
select headers, secrets
from rowline.endpoints
where queue = :queue
for update
