-- change: waiting, prioritized, delayed -> waiting, prioritized, delayed
-- Changes of the jobs of :numbers that are not active what is not null here; empty tags take them away. The caller has
-- locked their rows. :effectives are, by :numbers, the options that hold then instead of those sent.
-- With a delay, a priority or lifo they join their kinds, in the order of their numbers, as the latest comers: when the
-- delay is over, or now without one. A delayed job that is ready now, for the first time, has to start within the time
-- that the queue's settings say.
with moments as (
    select
        statement_timestamp() as now,
        statement_timestamp() + :delay_ms::bigint * interval '1 millisecond' as due_at
),
clock as (
    select
        due_at,
        (extract(epoch from due_at) * 1000000)::bigint as due_us,
        (extract(epoch from now) * 1000000)::bigint as now_us
    from moments
),
setting as (
    :_start_within
),
before as (
    select array_agg(number order by number) as numbers, array_agg(status order by number) as statuses
    from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[]) and status || '' in ('waiting', 'prioritized', 'delayed')
),
changed as (
    update rowline.jobs as job
    set status = case
            when coalesce(:delay_ms::bigint > 0, job.status = 'delayed') then 'delayed'
            when coalesce(:priority::integer, job.priority) > 0 then 'prioritized'
            else 'waiting'
        end,
        priority = coalesce(:priority::integer, job.priority),
        lifo = coalesce(:lifo::boolean, job.lifo),
        run_at = coalesce((select due_at from clock), job.run_at),
        place = case
            when num_nonnulls(:priority::integer, :lifo::boolean, :delay_ms::bigint) = 0 then job.place
            else case when coalesce(:lifo::boolean, job.lifo) then -1 else 1 end * (
                coalesce(
                    (select due_us from clock),
                    case job.status
                        when 'delayed' then (extract(epoch from job.run_at at time zone 'UTC') * 1000000)::bigint
                        else (select now_us from clock)
                    end
                ) + width_bucket(job.number, :numbers::bigint[]) - 1
            )
        end,
        delay_ms = coalesce(:delay_ms::bigint, job.delay_ms),
        name = coalesce(:name::text, job.name),
        data = coalesce(:data::json, job.data),
        attempts = coalesce(:attempts::integer, job.attempts),
        tags = case when :tags::text is null then job.tags else nullif(:tags::text::text[], '{}') end,
        start_by = least(
            job.start_by,
            case
                when job.status = 'delayed' and :delay_ms::bigint <= 0 and job.attempts_started = 0
                    then (select now_us from clock) / 1000
                        + (select start_within_ms from setting)
            end
        ),
        effective = (:effectives::text[])[width_bucket(job.number, :numbers::bigint[])]::json
    where job.queue = :queue and job.number = any(:numbers::bigint[])
        and job.status || '' in ('waiting', 'prioritized', 'delayed')
    :_moved
),
counted as (
    :_counted
)
select number from changed
