-- Returns rights that `rowline db roles` gives, and that this role, or rowline_runtime or a reader of reports if there is one, lacks;
-- up to :most. No index: it reads catalogs.
with runtime as (
    select oid, rolname::text as name from pg_roles where rolname in (current_user, 'rowline_runtime')
),
readers as (
    select oid, rolname::text as name from pg_roles where rolname in ('rowline_report', 'rowline_report_public')
),
lacking as (
    select runtime.name as role, 'usage' as right_, 'schema ' || nspname::text as on_
    from pg_namespace
    cross join runtime
    where nspname in ('rowline', 'report') and not has_schema_privilege(runtime.oid, pg_namespace.oid, 'usage')
    union all
    select runtime.name, asked.word, nspname || '.' || relname
    from pg_class
    join pg_namespace on pg_namespace.oid = relnamespace
    cross join runtime
    cross join (values ('select'), ('insert'), ('update'), ('delete')) as asked (word)
    where nspname = 'rowline' and relkind in ('r', 'p')
        -- Of the audit rows are only added and read; the version is the owner's.
        and (asked.word = 'select' or relname <> 'alembic_version')
        and (asked.word in ('select', 'insert') or relname !~ '^audit')
        and not (relispartition and asked.word = 'insert')
        and not has_table_privilege(runtime.oid, pg_class.oid, asked.word)
    union all
    select runtime.name, 'usage', nspname || '.' || relname
    from pg_class
    join pg_namespace on pg_namespace.oid = relnamespace
    cross join runtime
    where nspname = 'rowline' and relkind = 'S' and not has_sequence_privilege(runtime.oid, pg_class.oid, 'usage')
    union all
    select runtime.name, 'execute', nspname || '.' || proname
    from pg_proc
    join pg_namespace on pg_namespace.oid = pronamespace
    cross join runtime
    where nspname = 'rowline' and not has_function_privilege(runtime.oid, pg_proc.oid, 'execute')
    union all
    select readers.name, 'select', nspname || '.' || relname
    from pg_class
    join pg_namespace on pg_namespace.oid = relnamespace
    cross join readers
    where nspname = 'report' and relkind = 'v'
        and not (readers.name = 'rowline_report_public' and relname = 'logs')
        and not has_any_column_privilege(readers.oid, pg_class.oid, 'select')
)
select role, right_ as right, on_ as on from lacking order by role, on_, right_ limit :most
