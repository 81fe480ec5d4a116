-- Names those of these completions that are a repetition: the same attempt, completed with the same result.
select job.number
from rowline.jobs as job
join unnest(:numbers::bigint[], :tokens::uuid[], :results::text[]) as done (number, token, result)
    on job.number = done.number
where job.queue = :queue and job.number = any(:numbers) and job.status || '' = 'completed'
    and job.lease_token = done.token and job.result::text = done.result
