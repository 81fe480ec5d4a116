-- Locks a token until the transaction ends, and reads it. Index: tokens_pkey.
select
    id, name, scopes, requests_per_s, jobs_per_s, waiting_jobs, created_at, expires_at, revoked_at, next_digest,
    coalesce(revoked_at is not null or expires_at <= statement_timestamp(), false) as is_ended
from rowline.tokens
where id = :id
for update
