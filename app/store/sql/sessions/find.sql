-- Returns the session of :digest, unless it has ended, and whether it was seen last over :touch_s ago.
-- Index: sessions_pkey.
select
    token_id, token_digest, seen_at < statement_timestamp() - :touch_s * interval '1 second' as is_to_touch
from rowline.sessions
where digest = :digest::bytea
    and began_at > statement_timestamp() - :longest_s * interval '1 second'
    and seen_at > statement_timestamp() - :idle_s * interval '1 second'
