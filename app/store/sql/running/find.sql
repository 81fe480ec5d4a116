-- Returns up to :most active jobs of :queue, in the order of numbers, with their leases, and the time; their progress only
-- if it is a number. Index: jobs_active.
select
    :_running
where job.status = 'active' and job.queue = :queue
order by job.queue, job.number
limit :most
