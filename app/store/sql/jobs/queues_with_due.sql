-- Returns the queues that have a due job. Index: jobs_delayed, one probe per queue with delayed jobs.
with recursive delayed as (
    :_delayed
)
select queue from delayed where run_at <= statement_timestamp()
