-- Returns the tokens of those of these attempts, by the custom ids of their jobs, whose jobs were removed when they ended,
-- and how they ended; null: they completed. Who repeats its word knows no number, and the id may be that of another job now. Index: removed_jobs_custom_id.
select removed.lease_token::text as token, removed.outcome
from unnest(:custom_ids::text[], :tokens::uuid[]) as shown (custom_id, token)
join rowline.removed_jobs as removed
    on removed.queue = :queue and removed.custom_id = shown.custom_id and removed.lease_token = shown.token
