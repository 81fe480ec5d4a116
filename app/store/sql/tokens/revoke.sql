-- Revokes a token. Index: tokens_pkey.
update rowline.tokens set revoked_at = statement_timestamp()
where id = :id and revoked_at is null
returning revoked_at
