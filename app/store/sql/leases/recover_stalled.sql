-- recover_stalled: active -> waiting, prioritized, failed
-- Takes jobs of :queue from leases that ran out: to the head of their kind, or, after too many, to failed.
-- Those taken together keep their order.
-- Index: jobs_active. Skips rows that others hold, so that any number of processes may do it at once.
with stalled as (
    select number, place from rowline.jobs
    where queue = :queue and status = 'active' and leased_until <= statement_timestamp()
    order by number
    limit :limit
    for update skip locked
),
ranked as (
    select number, row_number() over (order by place desc) as nth from stalled
)
update rowline.jobs as job
set status = case
        when job.stalled_count >= :max_stalled_count then 'failed'
        when job.priority > 0 then 'prioritized'
        else 'waiting'
    end,
    stalled_count = job.stalled_count + 1,
    place = -((extract(epoch from statement_timestamp()) * 1000000)::bigint + ranked.nth - 1),
    failed_reason = case when job.stalled_count >= :max_stalled_count then :reason else job.failed_reason end,
    finished_at = case when job.stalled_count >= :max_stalled_count then statement_timestamp() end,
    lease_token = null,
    leased_until = null
from ranked
where job.queue = :queue and job.number = any(array(select number from stalled)) and job.number = ranked.number
    and job.status || '' = 'active'
returning job.number, job.status
