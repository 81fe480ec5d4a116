-- Has the terms of those of :keys filled that are not, and those of the other keys of :queue taken away. A key that is being
-- taken away is filled after that. Index: term_fills_pkey, the arbiter.
with unwanted as (
    update rowline.term_fills as fill
    set is_wanted = false, status = 'leaving', waiting_since = statement_timestamp()
    where fill.queue = :queue and fill.is_wanted and fill.path <> all(:keys::text[])
)
insert into rowline.term_fills as fill (queue, path)
select :queue, key.path from unnest(:keys::text[]) as key (path)
on conflict (queue, path) do update set is_wanted = true, waiting_since = statement_timestamp()
where not fill.is_wanted
returning fill.path
