-- Creates the missing roles of Rowline in this database and grants their rights. It can be run repeatedly; run it
-- after an upgrade, so that rowline_report_public can read new views. Run it as a superuser, or as a role with
-- CREATEROLE that owns the database and everything in it. It sets no passwords: \password rowline_runtime
-- Restrict the search_path, inside and outside of a transaction, so that no name resolves to another role's object.
set search_path = pg_catalog, pg_temp;

-- The role that runs this script.
do $$
declare
    lacks text[] := '{}';
begin
    if not (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) then
        lacks := lacks || 'CREATEROLE'::text;
    end if;
    if not has_database_privilege(current_database(), 'connect with grant option')
        or not has_database_privilege(current_database(), 'create with grant option')
    then
        lacks := lacks || format(
            'ownership of the database %I, which belongs to %I', current_database(),
            (select pg_get_userbyid(datdba) from pg_database where datname = current_database())
        );
    end if;
    if lacks <> '{}' then
        raise insufficient_privilege using message = format('the role %I has no %s', current_user, array_to_string(lacks, ', and no '));
    end if;
end
$$;

-- The roles.
do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('rowline_owner', 'nologin'),  -- owns the schemas and everything in them; cannot log in
            ('rowline_migrator', 'login'),  -- acts as the owner: `rowline db upgrade`
            ('rowline_runtime', 'login'),  -- the API, workers, dispatchers: reads and writes rows
            ('rowline_enqueue', 'nologin'),  -- grant it to programs that call rowline.enqueue
            ('rowline_report', 'login connection limit 10'),  -- reads the views of report
            ('rowline_report_public', 'login connection limit 10')  -- the same without the contents of jobs
        ) as role (name, options)
    loop
        begin
            if not exists (select from pg_roles where rolname = wanted.name) then
                execute format('create role %I %s', wanted.name, wanted.options);
            end if;
        exception
            when duplicate_object or unique_violation then null;  -- created meanwhile from another database
        end;
    end loop;
    if not pg_has_role(current_user, 'rowline_owner', 'usage') then
        execute format('grant rowline_owner to %I', current_user);
    end if;
    execute format('grant connect on database %I to rowline_migrator, rowline_runtime, rowline_report, rowline_report_public',
        current_database());
    execute format('grant create on database %I to rowline_owner', current_database());
end
$$;
grant rowline_owner to rowline_migrator;

-- The objects of the owner.
create schema if not exists rowline;
create schema if not exists report;
do $$
declare
    found record;
begin
    for found in
        select nspname from pg_namespace
        where nspname in ('rowline', 'report') and nspowner <> 'rowline_owner'::regrole
    loop
        execute format('alter schema %I owner to rowline_owner', found.nspname);
    end loop;
    for found in
        select oid::regclass as name, relkind from pg_class
        where relnamespace in ('rowline'::regnamespace, 'report'::regnamespace)
            and relkind in ('r', 'p', 'v', 'S', 'c') and relowner <> 'rowline_owner'::regrole
            -- The sequence of an identity changes hands with its table, and only so.
            and not exists (
                select from pg_depend
                where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype in ('a', 'i')
                    and refclassid = 'pg_class'::regclass and refobjsubid > 0
            )
    loop
        execute format(
            'alter %s %s owner to rowline_owner', case found.relkind when 'c' then 'type' else 'table' end, found.name
        );
    end loop;
    for found in
        select oid::regprocedure as name from pg_proc
        where pronamespace in ('rowline'::regnamespace, 'report'::regnamespace)
            and proowner <> 'rowline_owner'::regrole
    loop
        execute format('alter function %s owner to rowline_owner', found.name);
    end loop;
end
$$;

-- The running programs: rows and sequences, no DDL. Objects that the owner creates later are included.
revoke all on schema rowline, report from public;
grant usage on schema rowline, report to rowline_runtime;
grant select, insert, update, delete on all tables in schema rowline to rowline_runtime;
grant usage, select on all sequences in schema rowline to rowline_runtime;
grant execute on all functions in schema rowline to rowline_runtime;
alter default privileges for role rowline_owner in schema rowline
    grant select, insert, update, delete on tables to rowline_runtime;
alter default privileges for role rowline_owner in schema rowline grant usage, select on sequences to rowline_runtime;
alter default privileges for role rowline_owner in schema rowline grant execute on functions to rowline_runtime;
grant select on all tables in schema report to rowline_runtime;
alter default privileges for role rowline_owner in schema report grant select on tables to rowline_runtime;

-- The programs that add jobs in SQL.
grant usage on schema rowline to rowline_enqueue;

-- The readers. rowline_report can read later views at once, rowline_report_public after the next run of this script.
grant usage on schema report to rowline_report, rowline_report_public;
grant select on all tables in schema report to rowline_report;
alter default privileges for role rowline_owner in schema report grant select on tables to rowline_report;
do $$
declare
    found record;
begin
    if to_regclass('rowline.alembic_version') is not null then
        revoke insert, update, delete on rowline.alembic_version from rowline_runtime;
    end if;
    if to_regproc('rowline.audit_partitions') is not null then
        perform rowline.audit_partitions();  -- it leaves the running programs the right to add and read rows of the audit
    end if;
    for found in
        select oid::regprocedure as name from pg_proc
        where pronamespace = 'rowline'::regnamespace and proname in ('enqueue', 'enqueue_many')
    loop
        execute format('grant execute on function %s to rowline_enqueue', found.name);
    end loop;
    for found in
        select
            view.oid::regclass as name,
            string_agg(quote_ident(attname), ', ') filter (where not is_secret) as columns,
            bool_or(is_secret) as has_secrets
        from pg_class as view
        join pg_attribute on attrelid = view.oid and attnum > 0 and not attisdropped
        cross join lateral (select attname in ('data', 'progress', 'result', 'filter')) as told (is_secret)
        where view.relnamespace = 'report'::regnamespace and view.relkind = 'v' and view.relname <> 'logs'
        group by view.oid
    loop
        execute format('revoke all on %s from rowline_report_public', found.name);
        execute format(
            'grant select %s on %s to rowline_report_public',
            case when found.has_secrets then '(' || found.columns || ')' end, found.name
        );
    end loop;
end
$$;

-- The settings of their sessions in this database.
do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('rowline_migrator', 'role', 'rowline_owner'),
            ('rowline_report', 'search_path', 'report'),
            ('rowline_report', 'default_transaction_read_only', 'on'),
            ('rowline_report', 'statement_timeout', '30s'),
            ('rowline_report', 'lock_timeout', '1s'),
            ('rowline_report', 'idle_in_transaction_session_timeout', '10s'),
            ('rowline_report_public', 'search_path', 'report'),
            ('rowline_report_public', 'default_transaction_read_only', 'on'),
            ('rowline_report_public', 'statement_timeout', '30s'),
            ('rowline_report_public', 'lock_timeout', '1s'),
            ('rowline_report_public', 'idle_in_transaction_session_timeout', '10s')
        ) as setting (role, name, value)
    loop
        execute format(
            'alter role %I in database %I set %s = %L', wanted.role, current_database(), wanted.name, wanted.value
        );
    end loop;
    -- The search_path of this session, as a list: a quoted text would be the name of one schema.
    execute format('alter role rowline_runtime in database %I set search_path from current', current_database());
end
$$;
reset search_path;
