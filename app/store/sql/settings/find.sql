-- Returns the settings of the service. Index: settings_pkey.
select remove_on_complete, remove_on_fail from rowline.settings where is_only
