-- Makes hours of up to :limit rows of minutes that began more than :keep_minutes ago, the oldest first.
-- By ctid, which cannot change meanwhile, because the rows are locked. Skips locked rows.
-- Hours are UTC's, whatever the time zone of the session. Indexes: job_minutes_pkey, job_hours_pkey.
with old as (
    select ctid from rowline.job_minutes
    where minute < statement_timestamp() - :keep_minutes * interval '1 minute'
    order by minute, queue
    limit :limit
    for update skip locked
),
gone as (
    delete from rowline.job_minutes where ctid = any(array(select ctid from old))
    returning minute, queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
),
kept as (
    insert into rowline.job_hours as existing (
        hour, queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
    )
    select rolled.hour, rolled.queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
    from (
        select
            date_bin('1 hour', gone.minute, timestamptz 'epoch') as hour, gone.queue,
            :_rolled_up
        from gone
        group by 1, 2
        order by 1, 2
    ) as rolled
    on conflict (hour, queue) do update
    set
        :_tally
)
select queue from gone
