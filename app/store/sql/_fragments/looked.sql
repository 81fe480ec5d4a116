-- What a search returns of the rows that it has looked at: how many, their lowest and highest number, whether the time was
-- over, and the numbers of those that match.
select
    count(*) filter (where counted.is_match is not null) as looked_at,
    min(counted.number) filter (where counted.is_match is not null) as lowest,
    max(counted.number) filter (where counted.is_match is not null) as highest,
    coalesce(bool_or(counted.is_match is null), false) as is_late,
    coalesce(array_agg(counted.number order by counted.number desc) filter (where counted.is_match), '{}') as numbers
from (
    select
        seen.number, seen.is_match,
        count(*) filter (where seen.is_match is null) over before as late_before,
        count(*) filter (where seen.is_match) over before as found_before
    from (
