job.queue, coalesce(job.custom_id, job.number::text) as id, job.name, job.attempts_started, job.processed_by,
job.processed_at, job.leased_until, job.cancel_requested_at,
case when json_typeof(job.progress) = 'number' then job.progress::text end as progress, statement_timestamp() as at
from rowline.jobs as job
