-- Returns the transactions that run now (`transactions.sql`), and the prepared ones.
:_transactions
union all
select 'prepared ' || prepared.transaction from pg_prepared_xacts as prepared
where prepared.database = current_database()
