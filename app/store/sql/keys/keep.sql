-- Stores the response of a key, in place of one that has expired.
insert into rowline.idempotency_keys as kept (queue, token_digest, key, body_digest, answer)
values (:queue, :token_digest::bytea, :key, :body_digest::bytea, :answer)
on conflict (queue, token_digest, key) do update
set body_digest = excluded.body_digest, answer = excluded.answer, answered_at = excluded.answered_at
returning key
