-- Stores a second secret of a token, in place of one that it may have. Index: tokens_pkey.
update rowline.tokens set next_digest = :digest::bytea where id = :id returning id
