-- Reads how many stalls the endpoint of :queue grants a job, if it says so. Index: endpoints_pkey.
select max_stalled_count
from rowline.endpoints
where queue = :queue and max_stalled_count is not null
