-- The transactions that run now on this database, this one excepted, as texts that name no other one. Every role may see
-- them. A transaction is there before its first snapshot is taken, and until its changes are visible.
select holder.virtualtransaction as id
from pg_locks as holder
join pg_stat_activity as activity on activity.pid = holder.pid
where holder.locktype = 'virtualxid' and holder.mode = 'ExclusiveLock' and holder.granted
    and holder.pid <> pg_backend_pid()
    and activity.datid = (select oid from pg_database where datname = current_database())
