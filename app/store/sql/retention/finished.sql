-- Returns the queues that have finished jobs and a setting for these, that of their endpoint, their own or that of the
-- service, with how many are completed and failed, as far as counts are folded.
-- Indexes: job_counts_pkey, endpoints_pkey, queue_settings_pkey, settings_pkey.
select
    counts.queue, counts.completed, counts.failed,
    coalesce(endpoint.remove_on_complete, setting.remove_on_complete, service.remove_on_complete) as remove_on_complete,
    coalesce(endpoint.remove_on_fail, setting.remove_on_fail, service.remove_on_fail) as remove_on_fail
from rowline.job_counts as counts
left join rowline.endpoints as endpoint on endpoint.queue = counts.queue
left join rowline.queue_settings as setting on setting.queue = counts.queue
left join rowline.settings as service on service.is_only
where (counts.completed > 0 and coalesce(endpoint.remove_on_complete, setting.remove_on_complete, service.remove_on_complete) is not null)
    or (counts.failed > 0 and coalesce(endpoint.remove_on_fail, setting.remove_on_fail, service.remove_on_fail) is not null)
order by counts.queue
