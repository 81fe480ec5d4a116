-- The status that a job of the CTE `before` had: by bisection, since a join may compare all jobs with all.
(select statuses from before)[width_bucket(job.number, (select numbers from before))] as was
