-- Notes how far the terms of a path of :queue are, if it stands as it did: in the status :before, at :before_at, and with
-- :before_until, since :since, which is another moment each time that the key is wanted or not any more. Index: term_fills_pkey.
update rowline.term_fills
set status = :status, at = :at, until = :until, looked_at = looked_at + :looked_at
where queue = :queue and path = :path and status = :before and at = :before_at and until = :before_until
    and waiting_since::text = :since
returning status
