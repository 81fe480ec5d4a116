-- What happened in the rows of the CTE `gone` together: the values of `tally.sql`.
sum(gone.added)::bigint as added, sum(gone.claimed)::bigint as claimed, sum(gone.completed)::bigint as completed,
sum(gone.failed)::bigint as failed, sum(gone.retried)::bigint as retried, sum(gone.stalled)::bigint as stalled,
report.sum_counts(gone.waits::bigint[]) as waits, sum(gone.wait_s) as wait_s,
report.sum_counts(gone.runs::bigint[]) as runs, sum(gone.run_s) as run_s
