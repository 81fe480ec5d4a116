-- Returns how many stalls the endpoint of :queue allows a job, if it sets a limit. Index: endpoints_pkey.
select max_stalled_count
from rowline.endpoints
where queue = :queue and max_stalled_count is not null
