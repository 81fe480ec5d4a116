-- Locks tokens until the transaction ends, in the order of their ids, and reads them. FOR UPDATE: who comes later waits
-- behind a revocation that waits; FOR SHARE would be granted past it, for as long as others follow. Index: tokens_pkey.
select
    id, name, scopes, digest, next_digest, requests_per_s, jobs_per_s, waiting_jobs, streams,
    created_at, expires_at, revoked_at,
    coalesce(revoked_at is not null or expires_at <= statement_timestamp(), false) as is_ended
from rowline.tokens
where id = any(:ids::text[])
order by id
for update
