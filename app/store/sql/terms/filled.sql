-- Returns the keys of :queue of which all jobs have their terms, and an empty one if all jobs of all queues have those of
-- their tags. Index: term_fills_pkey.
select path from rowline.term_fills
where queue = any(array['', :queue]) and status = 'filled' and is_wanted
