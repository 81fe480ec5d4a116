-- Looks at jobs of :queue, as `jobs/search` does: by number those without a custom id, and by custom id, in :statuses.
-- The sums keep the planner from walking over all numbers. Indexes: jobs_pkey, jobs_custom_id.
:_looked
        select
            job.number,
            case
                when clock_timestamp() <= (select clock_timestamp() + :time_ms * interval '1 millisecond')
                    then
                    :_matches
            end as is_match
        from (
            select * from rowline.jobs as job
            where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.custom_id is null
            union all
            select * from rowline.jobs as job
            where job.queue = :queue and job.custom_id = any(:custom_ids::text[])
        ) as job
        where job.status = any(:statuses::text[]) and job.number + 0 > :above and job.number + 0 < :below
        order by job.number desc
        limit :limit
    ) as seen
    window before as (order by seen.number desc rows between unbounded preceding and 1 preceding)
) as counted
where counted.late_before < 1 and counted.found_before < :most
