-- Names the queues in which a job is due. Index: jobs_delayed, one probe a queue that has delayed jobs.
with recursive delayed as (
    :_delayed
)
select queue from delayed where run_at <= statement_timestamp()
