-- Changes those settings of :queue that are to be changed. Locks the row. Index: queue_settings_pkey.
insert into rowline.queue_settings as setting (
    queue, remove_on_complete, remove_on_fail, start_within_ms, defaults, applied_defaults, keys
)
values (
    :queue, :remove_on_complete::json, :remove_on_fail::json, :start_within_ms::bigint, :defaults::json,
    :applied_defaults::json, nullif(:keys::text[], '{}')
)
on conflict (queue) do update
set remove_on_complete
        = case when :has_on_complete::boolean then excluded.remove_on_complete else setting.remove_on_complete end,
    remove_on_fail = case when :has_on_fail::boolean then excluded.remove_on_fail else setting.remove_on_fail end,
    start_within_ms
        = case when :has_start_within_ms::boolean then excluded.start_within_ms else setting.start_within_ms end,
    defaults = case when :has_defaults::boolean then excluded.defaults else setting.defaults end,
    applied_defaults = case when :has_defaults::boolean then excluded.applied_defaults else setting.applied_defaults end,
    keys = case when :has_keys::boolean then excluded.keys else setting.keys end
returning setting.queue
