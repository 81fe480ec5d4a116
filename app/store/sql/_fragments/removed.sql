-- What a statement says of the jobs that it removes, and what goes with them: their terms, their attempts, their logs,
-- their counts.
returning
    job.number, job.custom_id, job.status as was, null::text as status,
    :_terms
    as terms
),
:_untermed
,
:_traces
,
counted as (
    :_counted
)
