-- What happened in the rows of the CTE `gone` together: the values of `tally.sql`.
sum(gone.added)::bigint as added, sum(gone.claimed)::bigint as claimed, sum(gone.completed)::bigint as completed,
sum(gone.failed)::bigint as failed, sum(gone.retried)::bigint as retried, sum(gone.stalled)::bigint as stalled,
sum(gone.wait_s) as wait_s, sum(gone.run_s) as run_s,
:_all_waits
as waits,
:_all_runs
as runs
