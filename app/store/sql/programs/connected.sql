-- Counts the connections of the service's programs to this database, by application_name. Every role may read the
-- application_name of all connections.
select application_name, count(*) as connections
from pg_stat_activity
where datid = (select oid from pg_database where datname = current_database())
    and application_name like 'rowline-%' and leader_pid is null
group by application_name
