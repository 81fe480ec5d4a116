-- Returns what of the terms is not filled, or is to be taken away: a row of all queues is that of tags, its queue empty.
-- Index: term_fills_pkey; few rows.
select
    queue, path, status, is_wanted, at, until,
    extract(epoch from statement_timestamp() - waiting_since)::double precision as waited_s,
    waiting_since::text as since
from rowline.term_fills
where status <> 'filled' or not is_wanted
order by queue, path
