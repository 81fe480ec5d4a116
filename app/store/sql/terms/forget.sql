-- Removes the terms of the jobs of :numbers in :queue, as these are now. The caller has locked their rows.
-- Indexes: jobs_pkey, queue_settings_pkey, terms_pkey.
with changed as materialized (
    select
        job.number,
        :_terms
        as terms
    from rowline.jobs as job
    where job.queue = :queue and job.number = any(:numbers::bigint[])
),
:_untermed
select count(*) as jobs from changed where cardinality(changed.terms) > 0
