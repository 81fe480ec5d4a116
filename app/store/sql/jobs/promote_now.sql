-- promote_now: delayed -> waiting, prioritized
-- Makes the jobs of :numbers that are delayed ready before they are due, in the order of their numbers as the latest comers
-- of their kinds. The caller has locked their rows.
-- One that is due already, but not promoted yet, keeps the place of its due time. One that is ready for the first time has
-- to start within the time that the queue's settings say. :effectives are, by :numbers, the options that hold then instead
-- of those sent.
with clock as (
    select (extract(epoch from statement_timestamp()) * 1000000)::bigint as us
),
setting as (
    :_start_within
),
changed as (
    update rowline.jobs as job
    set status = case when job.priority > 0 then 'prioritized' else 'waiting' end,
        delay_ms = 0,
        effective = (:effectives::text[])[width_bucket(job.number, :numbers::bigint[])]::json,
        run_at = least(job.run_at, statement_timestamp()),
        place = case
            when job.lifo
                then greatest(job.place, 1 - (select us from clock) - width_bucket(job.number, :numbers::bigint[]))
            else least(job.place, (select us from clock) + width_bucket(job.number, :numbers::bigint[]) - 1)
        end,
        start_by = case
            when job.attempts_started > 0 then job.start_by
            else least(
                job.start_by,
                least(
                    floor(extract(epoch from job.run_at at time zone 'UTC') * 1000)::bigint,
                    (select us from clock) / 1000
                ) + (select start_within_ms from setting)
            )
        end
    where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'delayed'
    returning job.number, 'delayed' as was, job.status
),
counted as (
    :_counted
)
select number from changed
