-- Returns the time, the age of the oldest transaction id in this database, in transactions, and from which age on autovacuum looks
-- after that. No index: one row of a catalog.
select
    clock_timestamp() as now, age(datfrozenxid) as xid_age,
    current_setting('autovacuum_freeze_max_age')::bigint as freeze_max_age
from pg_database
where datname = current_database()
