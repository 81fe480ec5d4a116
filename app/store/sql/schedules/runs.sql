-- Returns :length jobs of :queue from :start on, the newest first, whose custom ids begin with :prefix and go on with digits, so
-- that they are between :prefix and :below: the jobs of the ticks of a schedule, and those that were added besides. Of their
-- failures the first 1,000 characters. Index: jobs_custom_id.
select
    job.custom_id, job.status, job.added_at, job.processed_at, job.processed_by, job.finished_at, job.attempts_made,
    left(job.failed_reason, 1000) as failed_reason, job.failed_code
from rowline.jobs as job
where job.queue = :queue and job.custom_id is not null and job.custom_id >= :prefix and job.custom_id < :below
    and substr(job.custom_id, length(:prefix) + 1) ~ '^[0-9]{1,15}(:now)?$'
order by job.custom_id desc
limit :length offset :start
