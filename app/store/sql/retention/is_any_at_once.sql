-- Returns whether the service, any endpoint or any queue keeps none of its completed or of its failed jobs.
-- Reads all endpoints and settings of queues, each by its key. Indexes: settings_pkey, endpoints_pkey, queue_settings_pkey.
select
    exists (
        select from rowline.settings as service
        where service.is_only
            and '0' in (
                service.remove_on_complete ->> 'count', service.remove_on_complete ->> 'age',
                service.remove_on_fail ->> 'count', service.remove_on_fail ->> 'age'
            )
    )
    or exists (
        select from rowline.endpoints as endpoint
        where endpoint.queue > ''
            and '0' in (
                endpoint.remove_on_complete ->> 'count', endpoint.remove_on_complete ->> 'age',
                endpoint.remove_on_fail ->> 'count', endpoint.remove_on_fail ->> 'age'
            )
    )
    or exists (
        select from rowline.queue_settings as setting
        where setting.queue > ''
            and '0' in (
                setting.remove_on_complete ->> 'count', setting.remove_on_complete ->> 'age',
                setting.remove_on_fail ->> 'count', setting.remove_on_fail ->> 'age'
            )
    ) as is_any
