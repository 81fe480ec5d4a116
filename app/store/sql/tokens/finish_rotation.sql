-- Leaves a token its second secret alone. Index: tokens_pkey.
update rowline.tokens set digest = next_digest, next_digest = null
where id = :id and next_digest is not null
returning id
