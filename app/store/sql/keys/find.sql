-- Reads what was answered under a key within the last :keep_ms. Index: idempotency_keys_pkey.
select body_digest, answer
from rowline.idempotency_keys
where
    queue = :queue and token_digest = :token_digest::bytea and key = :key
    and answered_at > statement_timestamp() - :keep_ms * interval '1 millisecond'
