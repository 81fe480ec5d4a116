-- Locks the deduplication ids of :dedup_ids in :queue until the transaction ends, in their order, those too that nobody holds
-- yet; returns what is known of each, but for the status of its job. Waits for row locks. Index: deduplications_pkey.
insert into rowline.deduplications as held (queue, dedup_id)
select :queue, asked.dedup_id from unnest(:dedup_ids::text[]) as asked (dedup_id)
order by asked.dedup_id collate "C"
on conflict (queue, dedup_id) do update set dedup_id = excluded.dedup_id
returning
    held.dedup_id, held.number, held.job_id, held.expires_at,
    coalesce(held.expires_at > statement_timestamp(), false) as is_open
