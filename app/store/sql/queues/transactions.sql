-- Returns the transactions of :programs that run now (`transactions.sql`).
:_transactions
    and split_part(activity.application_name, ' ', 1) = any(:programs::text[])
