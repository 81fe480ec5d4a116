-- In how many ms the next delayed job of :queue is due, 0 if it is. Index: jobs_later.
select greatest(0, ceil(extract(epoch from run_at - statement_timestamp()) * 1000))::bigint as ms
from rowline.jobs
where queue = :queue and '' || status || '' = 'delayed'
order by run_at
limit 1
