-- Returns what was stored under a key in the last :keep_ms, with the bytes of its response; the response itself only for the
-- same body, and up to :max_bytes. Index: idempotency_keys_pkey.
select
    body_digest, octet_length(answer) as size,
    case when body_digest = :body_digest::bytea and octet_length(answer) <= :max_bytes::bigint then answer end as answer
from rowline.idempotency_keys
where
    queue = :queue and token_digest = :token_digest::bytea and key = :key
    and answered_at > statement_timestamp() - :keep_ms * interval '1 millisecond'
