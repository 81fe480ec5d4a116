-- Looks at the failed jobs of :queue with the fingerprint :fingerprint, as `jobs/search` does. The condition and the
-- rows that are bounds are those of the index, which no other serves. Index: jobs_fingerprint.
:_looked
        select
            job.queue,
            job.fingerprint,
            job.number,
            case
                when clock_timestamp() <= (select clock_timestamp() + :time_ms * interval '1 millisecond')
                    then
                    'failed' = any(:statuses::text[]) and
                    :_matches
            end as is_match
        from (
            select * from rowline.jobs as job
            where '' || job.status = 'failed' and job.fingerprint is not null
                and (job.queue, job.fingerprint, job.number) > (:queue, :fingerprint, :above)
                and (job.queue, job.fingerprint, job.number) < (:queue, :fingerprint, :below)
            order by job.queue desc, job.fingerprint desc, job.number desc
            limit :limit
        ) as job
        order by job.queue desc, job.fingerprint desc, job.number desc
        limit :limit
    ) as seen
    window before as (
        order by seen.queue desc, seen.fingerprint desc, seen.number desc rows between unbounded preceding and 1 preceding
    )
) as counted
where counted.late_before < 1 and counted.found_before < :most
