-- Changes those settings of the service that are to be changed, and returns all. Locks the row. Index: settings_pkey.
insert into rowline.settings as setting (remove_on_complete, remove_on_fail)
values (:remove_on_complete::json, :remove_on_fail::json)
on conflict (is_only) do update
set remove_on_complete
        = case when :has_on_complete::boolean then excluded.remove_on_complete else setting.remove_on_complete end,
    remove_on_fail = case when :has_on_fail::boolean then excluded.remove_on_fail else setting.remove_on_fail end
returning remove_on_complete, remove_on_fail
