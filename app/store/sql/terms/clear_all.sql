-- Removes up to :limit terms of all queues, from :first to before :behind, of jobs with numbers up to :until; returns how many.
-- Index: terms_pkey, from its beginning.
with gone as (
    delete from rowline.terms as term
    where term.ctid = any(array(
        select stored.ctid from rowline.terms as stored
        where stored.term >= :first and stored.term < :behind and stored.number <= :until
        limit :limit
    ))
    returning term.number
)
select count(*) as removed from gone
