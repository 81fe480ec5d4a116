-- Returns the schedules of :ids in :queue, which the transaction has locked; of each, how the job of its last tick is, while it
-- has not ended, and the time; their data as schedules/find does, all if :max_bytes is null. Indexes: schedules_pkey, jobs_pkey.
select
    :_schedule
    , last.state, last.now_ms,
    :_shown_data
from rowline.schedules as schedule
cross join lateral (
    select
        floor(extract(epoch from statement_timestamp()) * 1000)::bigint as now_ms,
        (
            select case when job.attempts_started = 0 then 'pending' else 'running' end
            from rowline.jobs as job
            where job.queue = :queue and job.number = schedule.last_number and job.finished_at is null
        ) as state
) as last
where schedule.queue = :queue and schedule.id = any(:ids::text[])
order by schedule.id
