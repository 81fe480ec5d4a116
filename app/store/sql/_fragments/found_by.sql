-- Stores the terms of the jobs of `changed`, which are new: of their `tags`, and of what is in `data` at the keys of :queue.
-- The same terms as `terms` has for one job, in less time for many.
termed as (
    insert into rowline.terms (queue, term, number)
    select :queue, 'tag:' || tag.word, changed.number
    from changed
    cross join lateral unnest(changed.tags) with ordinality as tag (word, nth)
    where array_position(changed.tags, tag.word) = tag.nth  -- each once
    union all
    select
        :queue,
        :_key_term
        , changed.number
    from (
        :_keys
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
