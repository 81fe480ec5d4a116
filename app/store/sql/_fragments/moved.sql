-- What a statement returns of a job that it moved to another status: that which it had in the CTE `before` too, which
-- bisection finds, since a join may compare all jobs with all.
returning
    job.number,
    (select statuses from before)[width_bucket(job.number, (select numbers from before))] as was,
    job.status
