-- Returns the number of the newest job of :queue in :status behind the :count newest, among those that say nothing
-- themselves of how long they are kept, or, if :with_own, all but those that are kept for ever. The bounds are rows,
-- as in `jobs/search`. Index: jobs_listed.
select job.number from rowline.jobs as job
cross join lateral (
    select
        :_own_kept
        as own
) as kept
where job.status = :status and job.status <> 'active'
    and (job.queue, job.status, job.number) > (:queue, :status, 0)
    and (job.queue, job.status) <= (:queue, :status)
    and (kept.own is null or (:with_own::boolean and kept.own::text <> 'false'))
order by job.queue desc, job.number desc
limit 1 offset :count
