-- change: waiting, prioritized, delayed -> waiting, prioritized, delayed
-- Changes of a job that is not active what is not null here; empty tags take them away. The caller has locked its row.
-- :effective are the options that hold then instead of those sent.
-- With a delay, a priority or lifo it joins its kind as the latest comer: when the delay is over, or now without one. A
-- delayed job that is ready now, for the first time, has to start within the time that the queue's settings say.
with setting as (
    :_start_within
),
before as (
    select
        number, status, run_at, place, attempts_started,
        coalesce(:priority::integer, priority) as priority,
        coalesce(:lifo::boolean, lifo) as lifo,
        coalesce(:delay_ms::bigint > 0, status = 'delayed') as is_delayed,
        case
            when :delay_ms::bigint is not null then statement_timestamp() + :delay_ms::bigint * interval '1 millisecond'
            when status = 'delayed' then run_at
            else statement_timestamp()
        end as joins_at
    from rowline.jobs
    where queue = :queue and number = :number and status || '' in ('waiting', 'prioritized', 'delayed')
),
wanted as (
    select
        number, status as was, priority, lifo,
        case when is_delayed then 'delayed' when priority > 0 then 'prioritized' else 'waiting' end as status,
        case when :delay_ms::bigint is null then run_at else joins_at end as run_at,
        case
            when num_nonnulls(:priority::integer, :lifo::boolean, :delay_ms::bigint) = 0 then place
            else case when lifo then -1 else 1 end * (extract(epoch from joins_at) * 1000000)::bigint
        end as place,
        case
            when status = 'delayed' and not is_delayed and attempts_started = 0
                then floor(extract(epoch from statement_timestamp()) * 1000)::bigint
                    + (select start_within_ms from setting)
        end as first_start_by
    from before
),
changed as (
    update rowline.jobs as job
    set status = wanted.status,
        priority = wanted.priority,
        lifo = wanted.lifo,
        run_at = wanted.run_at,
        place = wanted.place,
        delay_ms = coalesce(:delay_ms::bigint, job.delay_ms),
        name = coalesce(:name::text, job.name),
        data = coalesce(:data::json, job.data),
        attempts = coalesce(:attempts::integer, job.attempts),
        tags = case when :tags::text is null then job.tags else nullif(:tags::text::text[], '{}') end,
        start_by = least(job.start_by, wanted.first_start_by),
        effective = :effective::json
    from wanted
    where job.queue = :queue and job.number = :number and job.number = wanted.number
        and job.status || '' in ('waiting', 'prioritized', 'delayed')
    returning job.number, wanted.was, job.status
),
counted as (
    :_counted
)
select number from changed
