-- Returns what was stored under a key in the last :keep_ms; the response only for the same body.
-- Index: idempotency_keys_pkey.
select body_digest, case when body_digest = :body_digest::bytea then answer end as answer
from rowline.idempotency_keys
where
    queue = :queue and token_digest = :token_digest::bytea and key = :key
    and answered_at > statement_timestamp() - :keep_ms * interval '1 millisecond'
