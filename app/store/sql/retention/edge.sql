-- Returns the number of the newest job of :queue in :status behind the :count newest, among those that say nothing
-- themselves of how long they are kept, or, if :with_own, all but those that are kept for ever. Index: jobs_listed.
select job.number from rowline.jobs as job
cross join lateral (
    select
        :_own_kept
        as own
) as kept
where job.queue = :queue and job.status = :status and job.status <> 'active'
    and (kept.own is null or (:with_own::boolean and kept.own::text <> 'false'))
order by job.number desc
limit 1 offset :count
