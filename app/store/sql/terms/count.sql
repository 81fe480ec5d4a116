-- Returns how many jobs of :queue have each of :terms, up to :most, the newest of them, and the number of the oldest one of
-- these. Index: terms_pkey.
select few.jobs, few.oldest
from unnest(:terms::text[]) with ordinality as asked (term, nth)
cross join lateral (
    select count(*) as jobs, min(newest.number) as oldest
    from (
        select term.number
        from rowline.terms as term
        where term.queue = :queue and term.term = asked.term
        order by term.number desc
        limit :most
    ) as newest
) as few
order by asked.nth
