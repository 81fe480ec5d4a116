-- Returns the progress of a job, and its log lines :lines that are kept. Indexes: jobs_pkey, logs_pkey.
select null::bigint as line_number, job.progress::text as text
from rowline.jobs as job
where job.queue = :queue and job.number = :number
union all
select line_number, line
from rowline.logs
where queue = :queue and number = :number and line_number = any(:lines::bigint[])
