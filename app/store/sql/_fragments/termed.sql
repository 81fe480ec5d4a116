-- Stores the terms of the jobs of `changed`, which are in `terms`, an array. Some may be there.
termed as (
    insert into rowline.terms (queue, term, number)
    select distinct :queue, one.term, changed.number
    from changed
    cross join lateral unnest(changed.terms) as one (term)
    on conflict (queue, term, number) do nothing
)
