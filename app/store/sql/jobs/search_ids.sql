-- Looks at jobs of :queue, as `jobs/search` does: by number those without a custom id, and by custom id, in :statuses.
-- The sums keep the planner from walking over all numbers. Indexes: jobs_pkey, jobs_custom_id.
:_looked
        select
            job.number,
            :_matched
        from (
            select * from rowline.jobs as job
            where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.custom_id is null
            union all
            select * from rowline.jobs as job
            where job.queue = :queue and job.custom_id = any(:custom_ids::text[])
        ) as job
        where job.status = any(:statuses::text[]) and job.number + 0 > :above and job.number + 0 < :below
        order by job.number desc
:_newest_first
