-- Returns the number of the newest job of :queue in :status behind the :count newest. Index: jobs_listed.
select job.number from rowline.jobs as job
where job.queue = :queue and job.status = :status and job.status <> 'active'
order by job.number desc
limit 1 offset :count
