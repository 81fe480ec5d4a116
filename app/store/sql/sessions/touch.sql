-- Notes that a session is seen now. Locks the row. Index: sessions_pkey.
update rowline.sessions set seen_at = statement_timestamp() where digest = :digest::bytea
returning digest
