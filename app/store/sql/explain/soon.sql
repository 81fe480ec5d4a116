-- Counts the delayed jobs of :queue that are due within :within_s, up to :most, and returns in how many seconds the last one
-- counted is due. Index: jobs_later, alone.
with walked as materialized (
    select run_at
    from rowline.jobs
    where queue = :queue and '' || status || '' = 'delayed' and run_at <= statement_timestamp() + :within_s * interval '1 second'
    order by run_at
    limit :most
)
select count(*) as jobs, extract(epoch from max(run_at) - statement_timestamp())::float8 as last_s from walked
