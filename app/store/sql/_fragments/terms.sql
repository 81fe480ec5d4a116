-- The terms by which `job` is found, an array; null if it has none: one for each of its tags, and one for what is at each of
-- the paths that the settings of :queue name, a string as it is, else as JSON. Twice in `app/domain/terms.py`, which looks
-- them up, and `rowline.enqueue_add`.
case
    when job.tags is not null
        or exists (select from rowline.queue_settings as setting where setting.queue = :queue and setting.keys is not null)
        then array(
            select 'tag:' || tag.word from unnest(job.tags) as tag (word)
            union all
            select
                'key:' || length(key.path) || ':' || key.path
                || case
                    when length(found.value) > 200 then '#' || encode(sha256(convert_to(found.value, 'UTF8')), 'hex')
                    else '=' || found.value
                end
            from rowline.queue_settings as setting
            cross join lateral unnest(setting.keys) as key (path)
            cross join lateral (
                select job.data #> string_to_array(key.path, '.') as json offset 0  -- parsed once
            ) as place
            cross join lateral (
                select coalesce(place.json #>> '{}', case when place.json is not null then 'null' end) as value
            ) as found
            where setting.queue = :queue and found.value is not null
        )
end
