-- Returns the time, in ms since the epoch.
select floor(extract(epoch from statement_timestamp()) * 1000)::bigint as ms
