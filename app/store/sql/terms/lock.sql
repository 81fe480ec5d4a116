-- Locks the row of a path of :queue until the transaction ends, if it stands as it did. So no two processes fill or clear the
-- same, and what comes after that begins when it has ended. Index: term_fills_pkey.
select path from rowline.term_fills
where queue = :queue and path = :path and status = :before and until = :before_until and waiting_since::text = :since
for no key update
