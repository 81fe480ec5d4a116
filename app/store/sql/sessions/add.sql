-- Stores a session that begins now.
insert into rowline.sessions (digest, token_id, token_digest, address)
values (:digest::bytea, :token_id, :token_digest::bytea, :address)
returning digest
