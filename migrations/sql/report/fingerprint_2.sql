-- As in failures_1.sql, but that PostgreSQL reads it once, here and now: no path of a session leads its names elsewhere.
-- `set search_path` would keep it from being put into the statement that calls it, at five times the price (decision 34).
create or replace function report.fingerprint(reason text, stack text) returns text
language sql immutable parallel safe
return left(md5(
    regexp_replace(
        left(split_part(coalesce(reason, ''), E'\n', 1), 300),
        '''[^'']*''|"[^"]*"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|0x[0-9a-f]+|[0-9]+', '#', 'gi'
    )
    || E'\n'
    -- The frames of a stack are its indented lines.
    || regexp_replace(regexp_replace(right(coalesce(stack, ''), 2000), '^\S.*$', '', 'gn'), '0x[0-9a-f]+|[0-9]+', '#', 'gi')
), 12);
