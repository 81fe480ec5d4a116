-- Ends the session of :digest. Index: sessions_pkey.
delete from rowline.sessions where digest = :digest::bytea returning digest
