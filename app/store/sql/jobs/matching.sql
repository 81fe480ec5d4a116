-- Returns those of :numbers whose jobs in :queue match a filter and are in one of :statuses. Index: jobs_pkey.
select job.number from rowline.jobs as job
where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status = any(:statuses::text[])
    and
    :_matches
