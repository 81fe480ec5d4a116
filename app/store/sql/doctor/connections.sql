-- Returns how many connections are used, of all that the server, this database and this role allow (-1: no limit), and how many are
-- those of the service's programs in this database. No index: it reads the state of the server.
with here as (
    select datname, usename, application_name
    from pg_stat_activity
    where leader_pid is null and usesysid is not null
)
select
    (select count(*) from here) as used,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer as most,
    (select count(*) from here where datname = current_database()) as of_database,
    (select datconnlimit from pg_database where datname = current_database()) as most_of_database,
    (select count(*) from here where usename = session_user) as of_role,
    (select rolconnlimit from pg_roles where rolname = session_user) as most_of_role,
    (
        select count(*) from here where datname = current_database() and application_name like 'rowline-%'
    ) as of_rowline
