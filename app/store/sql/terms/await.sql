-- Notes that the terms of the tags of all queues are to be filled, if they are not: since now nothing is in their way.
-- Index: term_fills_pkey, the arbiter.
insert into rowline.term_fills as fill (queue, path) values ('', '')
on conflict (queue, path) do update set waiting_since = statement_timestamp() where fill.status = 'waiting'
returning fill.path
