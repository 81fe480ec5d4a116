-- What a statement says of the jobs that it removes, and what goes with them: their attempts, their logs, their counts.
returning job.number, job.status as was, null::text as status
),
:_traces
,
counted as (
    :_counted
)
