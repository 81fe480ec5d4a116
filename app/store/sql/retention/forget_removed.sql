-- Forgets, of the :limit removed jobs with the lowest numbers, those that were removed more than :age_s seconds ago;
-- returns how many. A log line that was stored while its job completed and went is removed now: the statement that removed
-- the job could not see it. Indexes: removed_jobs_pkey, logs_pkey.
with first as (
    select removed.number, removed.queue from rowline.removed_jobs as removed order by removed.number, removed.queue limit :limit
),
gone as (
    delete from rowline.removed_jobs as removed
    using first
    where removed.number = first.number and removed.queue = first.queue
        and removed.removed_at < statement_timestamp() - :age_s::bigint * interval '1 second'
    returning removed.number, removed.queue
),
logs as (
    delete from rowline.logs as line
    using gone
    where line.queue = gone.queue and line.number = gone.number
)
select count(*) as removed from gone
