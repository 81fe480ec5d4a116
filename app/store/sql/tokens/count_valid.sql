-- How many tokens are valid. It reads all tokens, when one is created.
select count(*) as number from rowline.tokens
where revoked_at is null and (expires_at is null or expires_at > statement_timestamp())
