-- The keys of :queue: how a term of each begins, and the names of its path.
select 'key:' || length(one.path) || ':' || one.path as prefix, string_to_array(one.path, '.') as names
from rowline.queue_settings as setting
cross join lateral unnest(setting.keys) as one (path)
where setting.queue = :queue
