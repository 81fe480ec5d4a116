-- Stores the terms of those of the jobs :numbers of :queue that exist, where they are missing. Locks the jobs against removal
-- and changes by hand, in the order of their numbers, and waits for these. Indexes: jobs_pkey, queue_settings_pkey;
-- terms_pkey, the arbiter.
with kept as materialized (
    select * from rowline.jobs as job
    where job.queue = :queue and job.number = any(:numbers::bigint[])
    order by job.number
    for key share
),
changed as (
    select
        job.number,
        :_terms
        as terms
    from kept as job
),
:_termed
select count(*) as jobs from changed where cardinality(changed.terms) > 0
