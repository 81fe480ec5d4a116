-- Says to which history of a database the table `of` belongs: it is another one once a dump was restored (another
-- table, and another server perhaps), or a server was recovered up to a moment or promoted (another timeline). Null
-- where that cannot be known, since a provider keeps these functions from us, or the server is a standby.

create or replace function rowline.history(of oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return (select system_identifier from pg_control_system())
        || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || history.of;
exception
    when others then
        return null;
end
$$;
comment on function rowline.history(oid) is
    'To which history of a database a table belongs; null if that cannot be known.';
