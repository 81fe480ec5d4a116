-- Reads tokens by their ids, with the mark of valid secrets, in one snapshot: one row for each id of :ids, in any order.
-- Indexes: tokens_pkey, token_changes_pkey.
select
    asked.id as asked_id, token.id, token.name, token.scopes, token.digest, token.next_digest, token.requests_per_s,
    token.jobs_per_s, token.waiting_jobs, token.streams, token.created_at, token.expires_at, token.revoked_at,
    coalesce(token.revoked_at is not null or token.expires_at <= statement_timestamp(), false) as is_ended,
    (extract(epoch from token.expires_at - statement_timestamp()) * 1000)::bigint as expires_in_ms,
    coalesce(change.mark::text, '') as mark
from unnest(:ids::text[]) as asked (id)
left join rowline.token_changes as change on change.is_only
left join rowline.tokens as token on token.id = asked.id
