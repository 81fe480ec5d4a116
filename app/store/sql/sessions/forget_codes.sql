-- Deletes codes that nobody used within :code_s, up to :limit. Index: sign_in_codes_pkey.
delete from rowline.sign_in_codes
where digest = any(array(
    select digest from rowline.sign_in_codes
    where made_at <= statement_timestamp() - :code_s * interval '1 second'
    order by digest
    limit :limit
))
returning digest
