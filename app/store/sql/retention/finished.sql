-- Returns the queues that have finished jobs and a setting for these, their own or that of the service, with how many
-- are completed and failed, as far as counts are folded. Indexes: job_counts_pkey, queue_settings_pkey, settings_pkey.
select
    counts.queue, counts.completed, counts.failed,
    coalesce(setting.remove_on_complete, service.remove_on_complete) as remove_on_complete,
    coalesce(setting.remove_on_fail, service.remove_on_fail) as remove_on_fail
from rowline.job_counts as counts
left join rowline.queue_settings as setting on setting.queue = counts.queue
left join rowline.settings as service on service.is_only
where (counts.completed > 0 and coalesce(setting.remove_on_complete, service.remove_on_complete) is not null)
    or (counts.failed > 0 and coalesce(setting.remove_on_fail, service.remove_on_fail) is not null)
order by counts.queue
