-- Looks at the jobs of :queue in :statuses with numbers between :above and :below, the newest first: at most :limit, for
-- at most :time_ms after the first of them, until :most match the filter. It stops there, and reads no text behind that.
-- A status is an element of :statuses, so that the planner takes no index that is partial on one. The bounds are rows, and
-- the order begins with the queue, as in the indexes: so no plan walks the primary key, past all jobs of a queue that are in
-- other statuses. Indexes: jobs_active, jobs_listed.
:_looked
        select
            job.queue,
            job.number,
            :_matched
        from (
            (
                select * from rowline.jobs as job
                where job.status = 'active' and 'active' = any(:statuses::text[])
                    and (job.queue, job.number) > (:queue, :above) and (job.queue, job.number) < (:queue, :below)
                order by job.queue desc, job.number desc
                limit :limit
            )
            union all
            (
                select * from rowline.jobs as job
                where job.status = (:statuses::text[])[1] and job.status <> 'active'
                    and (job.queue, job.status, job.number) > (:queue, (:statuses::text[])[1], :above)
                    and (job.queue, job.status, job.number) < (:queue, (:statuses::text[])[1], :below)
                order by job.queue desc, job.number desc
                limit :limit
            )
            union all
            (
                select * from rowline.jobs as job
                where job.status = (:statuses::text[])[2] and job.status <> 'active'
                    and (job.queue, job.status, job.number) > (:queue, (:statuses::text[])[2], :above)
                    and (job.queue, job.status, job.number) < (:queue, (:statuses::text[])[2], :below)
                order by job.queue desc, job.number desc
                limit :limit
            )
            union all
            (
                select * from rowline.jobs as job
                where job.status = (:statuses::text[])[3] and job.status <> 'active'
                    and (job.queue, job.status, job.number) > (:queue, (:statuses::text[])[3], :above)
                    and (job.queue, job.status, job.number) < (:queue, (:statuses::text[])[3], :below)
                order by job.queue desc, job.number desc
                limit :limit
            )
            union all
            (
                select * from rowline.jobs as job
                where job.status = (:statuses::text[])[4] and job.status <> 'active'
                    and (job.queue, job.status, job.number) > (:queue, (:statuses::text[])[4], :above)
                    and (job.queue, job.status, job.number) < (:queue, (:statuses::text[])[4], :below)
                order by job.queue desc, job.number desc
                limit :limit
            )
            union all
            (
                select * from rowline.jobs as job
                where job.status = (:statuses::text[])[5] and job.status <> 'active'
                    and (job.queue, job.status, job.number) > (:queue, (:statuses::text[])[5], :above)
                    and (job.queue, job.status, job.number) < (:queue, (:statuses::text[])[5], :below)
                order by job.queue desc, job.number desc
                limit :limit
            )
            union all
            (
                select * from rowline.jobs as job
                where job.status = (:statuses::text[])[6] and job.status <> 'active'
                    and (job.queue, job.status, job.number) > (:queue, (:statuses::text[])[6], :above)
                    and (job.queue, job.status, job.number) < (:queue, (:statuses::text[])[6], :below)
                order by job.queue desc, job.number desc
                limit :limit
            )
            union all
            (
                select * from rowline.jobs as job
                where job.status = (:statuses::text[])[7] and job.status <> 'active'
                    and (job.queue, job.status, job.number) > (:queue, (:statuses::text[])[7], :above)
                    and (job.queue, job.status, job.number) < (:queue, (:statuses::text[])[7], :below)
                order by job.queue desc, job.number desc
                limit :limit
            )
        ) as job
        order by job.queue desc, job.number desc
        limit :limit
    ) as seen
    window before as (order by seen.queue desc, seen.number desc rows between unbounded preceding and 1 preceding)
) as counted
where counted.late_before < 1 and counted.found_before < :most
