-- complete_and_remove: active -> (nowhere)
-- Does what leases/complete_and_remove does for one job that leaves nothing else behind, with half of its steps: on its first
-- attempt, without logs, a custom id, tags, or keys of its queue. Any other is not in the result.
-- Indexes: jobs_pkey, queue_settings_pkey, logs_pkey.
with changed as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = :number::bigint and job.status || '' = 'active'
        and job.lease_token = :token::uuid and job.leased_until > statement_timestamp()
        and job.attempts_started = 1 and job.custom_id is null and job.tags is null
        and job.remove_on_complete::text = '{"count": 0}'  -- as `true` and 0 are stored
        and not exists (
            select from rowline.queue_settings as setting where setting.queue = :queue and setting.keys is not null
        )
        and not exists (select from rowline.logs as line where line.queue = :queue and line.number = :number::bigint)
    returning job.number, job.lease_token, job.processed_at, 'active' as was, null::text as status
),
counted as (
    :_counted_one
)
select number from changed
