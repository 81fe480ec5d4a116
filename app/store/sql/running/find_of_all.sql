-- Returns up to :most active jobs of the queues whose names match one of :allowed, in the order of queues and numbers, with
-- their leases, and the time; their progress only if it is a number. Index: jobs_active, from its begin on.
select
    :_running
where job.status = 'active' and job.queue like any(:allowed::text[])
order by job.queue, job.number
limit :most
