-- Returns the values of the settings :names in this session. No index: they are of the server.
select name::text, setting::text from pg_settings where name = any(:names::text[]) order by name
