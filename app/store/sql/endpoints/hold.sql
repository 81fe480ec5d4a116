-- Locks what is sealed of the endpoint of :queue, to be sealed again. Index: endpoints_pkey.
select headers, secrets
from rowline.endpoints
where queue = :queue
for update
