-- What a search returns of the rows that it has looked at: how many, their lowest and highest number, whether the time was
-- over, and the numbers of those that match.
select
    count(*) filter (where counted.is_match is not null) as looked_at,
    min(counted.number) filter (where counted.is_match is not null) as lowest,
    max(counted.number) filter (where counted.is_match is not null) as highest,
    coalesce(bool_or(counted.is_match is null), false) as is_late,
    coalesce(array_agg(counted.number order by counted.number desc) filter (where counted.is_match), '{}') as numbers
