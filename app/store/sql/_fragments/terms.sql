-- The terms by which `job` is found, an array; null if it has none: one for each of its tags, and one for what is at each of
-- the paths that the settings of :queue name, a string as it is, else as JSON. So are they in `found_by`, for new jobs, in
-- `app/domain/terms.py`, which looks them up, and in `rowline.enqueue_add`.
case
    when job.tags is not null
        or exists (select from rowline.queue_settings as setting where setting.queue = :queue and setting.keys is not null)
        then array(
            with key as materialized (
                :_keys
            )  -- once for all jobs
            select 'tag:' || tag.word from unnest(job.tags) as tag (word)
            union all
            select
                :_key_term
            from key
            cross join lateral (select job.data #> key.names as json offset 0) as place  -- parsed once, also if there is nothing
            cross join lateral (
                select coalesce(place.json #>> '{}', case when place.json is not null then 'null' end) as value
            ) as found
            where found.value is not null
        )
end
