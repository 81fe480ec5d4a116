-- Returns the settings :names with which sessions of this database begin: for all roles, and for the roles of the service's programs,
-- this one among them. No index: a few rows of catalogs.
with ours as (
    select oid, rolname::text as name from pg_roles
    where rolname in (session_user, current_user, 'rowline_runtime')
        or oid in (
            select usesysid from pg_stat_activity
            where datname = current_database() and application_name like 'rowline-%'
        )
)
select
    coalesce(
        'the role ' || quote_ident(ours.name)
        || case when held.setdatabase = 0 then '' else ' in this database' end,
        'this database'
    ) as whose,
    concat_ws(
        ' ', 'role ' || quote_ident(ours.name),
        case when ours.name is not null and held.setdatabase <> 0 then 'in' end,
        case when held.setdatabase <> 0 then 'database ' || quote_ident(current_database())
            when ours.name is null then 'role all' end
    ) as altered,
    split_part(entry, '=', 1) as name,
    substr(entry, strpos(entry, '=') + 1) as value
from pg_db_role_setting as held
left join ours on ours.oid = held.setrole
cross join unnest(held.setconfig) as entry
where held.setdatabase in (0, (select oid from pg_database where datname = current_database()))
    and (held.setrole = 0 or ours.oid is not null)
    and split_part(entry, '=', 1) = any(:names::text[])
order by 1, 2
