-- Names those of these attempts that ended before with one of :outcomes, while nobody has claimed their jobs since.
select job.number, job.status
from rowline.jobs as job
join unnest(:numbers::bigint[], :tokens::uuid[]) as held (number, token) on job.number = held.number
join rowline.attempts as attempt
    on attempt.number = job.number and attempt.queue = job.queue and attempt.nth = job.attempts_started
where job.queue = :queue and job.number = any(:numbers) and attempt.number = any(:numbers)
    and job.status || '' <> 'active' and job.lease_token = held.token and attempt.outcome = any(:outcomes::text[])
