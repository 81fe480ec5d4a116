-- Forgets, of the :limit removed jobs with the lowest numbers, those that were removed more than :age_s seconds ago;
-- returns how many. Index: removed_jobs_pkey.
with first as (
    select removed.number, removed.queue from rowline.removed_jobs as removed order by removed.number, removed.queue limit :limit
),
gone as (
    delete from rowline.removed_jobs as removed
    using first
    where removed.number = first.number and removed.queue = first.queue
        and removed.removed_at < statement_timestamp() - :age_s::bigint * interval '1 second'
    returning removed.number
)
select count(*) as removed from gone
