-- Counts the connections to this database by what they are called, those of programs of ours among them. Every role sees
-- what connections of others are called.
select application_name, count(*) as connections
from pg_stat_activity
where datid = (select oid from pg_database where datname = current_database())
    and application_name like 'rowline-%' and leader_pid is null
group by application_name
