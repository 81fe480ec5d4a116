-- Deletes sessions that have ended, up to :limit. Index: sessions_pkey.
delete from rowline.sessions
where digest = any(array(
    select digest from rowline.sessions
    where began_at <= statement_timestamp() - :longest_s * interval '1 second'
        or seen_at <= statement_timestamp() - :idle_s * interval '1 second'
    order by digest
    limit :limit
))
returning digest
