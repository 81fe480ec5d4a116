-- Takes a code away, and says whether it is at most :code_s old. Index: sign_in_codes_pkey.
delete from rowline.sign_in_codes where digest = :digest::bytea
returning made_at > statement_timestamp() - :code_s * interval '1 second' as is_new
