-- Returns the prepared transactions of this database, the oldest first. No index: it reads the state of the server.
select transaction::text as number, owner::text as role, prepared as since,
    extract(epoch from clock_timestamp() - prepared)::double precision as held_s
from pg_prepared_xacts
where database = current_database()
order by prepared
