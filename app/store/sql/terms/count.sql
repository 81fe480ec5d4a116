-- Returns how many jobs of :queue have each of :terms, up to :most. Index: terms_pkey.
select
    (
        select count(*) from (
            select from rowline.terms as term where term.queue = :queue and term.term = asked.term limit :most
        ) as few
    ) as jobs
from unnest(:terms::text[]) with ordinality as asked (term, nth)
order by asked.nth
