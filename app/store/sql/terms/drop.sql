-- Forgets a path of :queue whose terms were taken away, unless it is wanted again: then they are filled. Neither if it was
-- changed since :since. Index: term_fills_pkey.
with again as (
    update rowline.term_fills
    set status = 'waiting', at = 0, until = 0, looked_at = 0, waiting_since = statement_timestamp()
    where queue = :queue and path = :path and is_wanted and status = 'clearing' and waiting_since::text = :since
)
delete from rowline.term_fills
where queue = :queue and path = :path and not is_wanted and status = 'clearing' and waiting_since::text = :since
returning path
