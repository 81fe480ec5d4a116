-- Removes the terms of the jobs of `changed`, which are in `terms`, an array. They are looked up one by one, so that no plan
-- reads others; a row of terms never changes, and so keeps its place.
untermed as (
    delete from rowline.terms as term
    where term.ctid = any(array(
        select found.place
        from changed
        cross join lateral unnest(changed.terms) as gone (term)
        cross join lateral (
            select stored.ctid as place from rowline.terms as stored
            where stored.queue = :queue and stored.term = gone.term and stored.number = changed.number
            limit 1
        ) as found
    ))
)
