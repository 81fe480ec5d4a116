-- Stores the terms of the jobs of `changed`, which are new: of their `tags`, and of what is in `data` at the keys of :queue.
-- The same terms as `terms` has for one job, in half of its time for many.
termed as (
    insert into rowline.terms (queue, term, number)
    select :queue, 'tag:' || tag.word, changed.number
    from changed
    cross join lateral unnest(changed.tags) with ordinality as tag (word, nth)
    where array_position(changed.tags, tag.word) = tag.nth  -- each once
    union all
    select
        :queue,
        key.prefix
        || case
            when length(found.value) > 200 then '#' || encode(sha256(convert_to(found.value, 'UTF8')), 'hex')
            else '=' || found.value
        end,
        changed.number
    from (
        select 'key:' || length(one.path) || ':' || one.path as prefix, string_to_array(one.path, '.') as names
        from rowline.queue_settings as setting
        cross join lateral unnest(setting.keys) as one (path)
        where setting.queue = :queue
        offset 0  -- once for all jobs
    ) as key
    cross join changed
    cross join lateral (
        select coalesce(
            changed.data #>> key.names,
            -- A text that has no such word is not parsed again to tell null from what is not there.
            case when strpos(changed.data::text, 'null') > 0 and (changed.data #> key.names) is not null then 'null' end
        ) as value
        offset 0
    ) as found
    where found.value is not null
)
