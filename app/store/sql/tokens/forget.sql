-- Deletes tokens that ended 400 days ago, up to :limit. Index: tokens_pkey.
delete from rowline.tokens
where id = any(array(
    select id from rowline.tokens
    where least(revoked_at, expires_at) < statement_timestamp() - interval '400 days'
    order by id
    limit :limit
))
returning id
