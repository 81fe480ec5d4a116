-- Locks a token against changes until the transaction ends, and reads whether it is valid. Index: tokens_pkey.
select
    digest, next_digest, coalesce(revoked_at is not null or expires_at <= statement_timestamp(), false) as is_ended
from rowline.tokens
where id = :id
for share
