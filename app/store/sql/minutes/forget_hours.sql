-- Makes days of up to :limit rows of hours that began more than :keep_days ago, the oldest first.
-- By ctid, which cannot change meanwhile, because the rows are locked. Skips locked rows.
-- Days are UTC's, whatever the time zone of the session. Indexes: job_hours_pkey, job_days_pkey.
with old as (
    select ctid from rowline.job_hours
    where hour < statement_timestamp() - :keep_days * interval '1 day'
    order by hour, queue
    limit :limit
    for update skip locked
),
gone as (
    delete from rowline.job_hours where ctid = any(array(select ctid from old))
    returning hour, queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
),
kept as (
    insert into rowline.job_days as existing (
        day, queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
    )
    select rolled.day, rolled.queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
    from (
        select
            date_bin('1 day', gone.hour, timestamptz 'epoch') as day, gone.queue,
            :_rolled_up
        from gone
        group by 1, 2
        order by 1, 2
    ) as rolled
    on conflict (day, queue) do update
    set
        :_tally
)
select queue from gone
