-- Returns how the queues that metrics name stand, and what happened in them, by name; and in a row whose queue is null
-- the same of all others together, if there are any, or were: sums, and of the oldest ready job that which is ready longest. Up to
-- :most queues all have a name, but one that is called :other. The totals are those that are folded. Of a queue with more
-- different priorities than :most_priorities among its ready jobs the oldest job is that of the first of these; of one
-- without a name it is its next one. `ended` is of the last :drain_minutes full minutes.
-- Reads the counts of all queues, and some of the rows of minutes and of workers.
-- Indexes: job_deltas_added_by, jobs_next (four probes for a queue with ready jobs, three more for each other priority;
-- one if it has no name), job_minutes_pkey, queue_workers_seen.
with last as (
    :_last_fold
),
parts as (
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    from rowline.job_counts
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    from rowline.job_deltas
    where added_by >= (select folded_below from last)
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    from rowline.job_deltas
    where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
    union all
    select queue, 0, 0, 0, 0, 0, 0, 0
    from rowline.queue_settings
    where paused_at is not null
    union all
    select queue, 0, 0, 0, 0, 0, 0, 0
    from rowline.queue_workers
    where seen_at > statement_timestamp() - :seen_s * interval '1 second'
    union all
    select :other, 0, 0, 0, 0, 0, 0, 0
    from rowline.carried_totals
    where (added, claimed, completed, failed, removed, attempts_failed, retried, released, stalled)
        <> (0, 0, 0, 0, 0, 0, 0, 0, 0)
),
counted as materialized (
    select
        queue,
        :_standing
    from parts
    group by queue
),
ended as (
    select queue, sum(completed + failed)::bigint as jobs
    from rowline.job_minutes
    where minute >= date_trunc('minute', statement_timestamp()) - :drain_minutes * interval '1 minute'
        and minute < date_trunc('minute', statement_timestamp())
    group by queue
),
seen as (
    select queue, count(distinct (worker, way)) as workers
    from rowline.queue_workers
    where seen_at > statement_timestamp() - :seen_s * interval '1 second'
    group by queue
),
labelled as materialized (
    select
        case
            when counted.queue = :other then null
            when known.is_named or (select count(*) from rowline.job_counts) <= :most
                and (known.queue is not null or (select count(*) from counted where queue <> :other) <= :most)
                then counted.queue
        end as name,
        counted.*, counted.waiting + counted.prioritized > 0 as is_ready,
        known.total_added, known.total_claimed, known.total_completed, known.total_failed, known.total_removed,
        known.total_attempts_failed, known.total_retried, known.total_released, known.total_stalled,
        known.total_waits, known.total_wait_s, known.total_runs, known.total_run_s
    from counted
    left join rowline.job_counts as known on known.queue = counted.queue
),
standing as (
    select
        labelled.*, setting.paused_at is not null as is_paused, ended.jobs as ended, seen.workers,
        coalesce(oldest.place, head.place) as place
    from labelled
    left join rowline.queue_settings as setting on setting.queue = labelled.queue
    left join ended on ended.queue = labelled.queue
    left join seen on seen.queue = labelled.queue
    left join lateral (
        with recursive priorities as (
            (select priority, 1 as nth from rowline.jobs
            where queue = labelled.queue and '' || status in ('waiting', 'prioritized')
                and labelled.is_ready and labelled.name is not null
            order by priority
            limit 1)
            union all
            select next.priority, priorities.nth + 1
            from priorities
            cross join lateral (
                select priority from rowline.jobs
                where queue = labelled.queue and '' || status in ('waiting', 'prioritized')
                    and priority > priorities.priority
                order by priority
                limit 1
            ) as next
            where priorities.nth < :most_priorities
        )
        select min(first.place) as place
        from (select labelled.queue, priority from priorities) as line
        cross join lateral (
            :_first_places
        ) as first
    ) as oldest on true
    left join lateral (
        select abs(one.place) as place from rowline.jobs as one
        where one.queue = labelled.queue and '' || one.status in ('waiting', 'prioritized')
            and labelled.is_ready and labelled.name is null
        order by one.priority, one.place
        limit 1
    ) as head on true
),
grouped as (
    select
        name, count(*) as queues,
        :_standing
        ,
        :_all_totals
        ,
        max(total_waits) as total_waits, coalesce(sum(total_wait_s), 0) as total_wait_s,
        max(total_runs) as total_runs, coalesce(sum(total_run_s), 0) as total_run_s,
        count(*) filter (where is_paused) as paused, coalesce(sum(ended), 0)::bigint as ended,
        coalesce(sum(workers), 0)::bigint as workers,
        case when min(place) is not null then greatest(
            extract(epoch from statement_timestamp() - timestamptz 'epoch') - min(place) / 1000000.0, 0
        ) end::double precision as oldest_ready_s
    from standing
    group by name
)
select
    name as queue, waiting, prioritized, delayed, active, waiting_children, grouped.completed, grouped.failed, paused,
    ended, workers, oldest_ready_s,
    total_added + case when name is null then carried.added else 0 end as total_added,
    total_claimed + case when name is null then carried.claimed else 0 end as total_claimed,
    total_completed + case when name is null then carried.completed else 0 end as total_completed,
    total_failed + case when name is null then carried.failed else 0 end as total_failed,
    total_removed + case when name is null then carried.removed else 0 end as total_removed,
    total_attempts_failed + case when name is null then carried.attempts_failed else 0 end as total_attempts_failed,
    total_retried + case when name is null then carried.retried else 0 end as total_retried,
    total_released + case when name is null then carried.released else 0 end as total_released,
    total_stalled + case when name is null then carried.stalled else 0 end as total_stalled,
    case when name is not null then total_waits else array(
        select sum(jobs)::bigint
        from (
            select jobs, nth from unnest(carried.waits) with ordinality as one (jobs, nth)
            union all
            select one.jobs, one.nth
            from standing
            cross join unnest(standing.total_waits) with ordinality as one (jobs, nth)
            where standing.name is null
        ) as bucket
        group by nth
        order by nth
    ) end as total_waits,
    total_wait_s + case when name is null then carried.wait_s else 0 end as total_wait_s,
    case when name is not null then total_runs else array(
        select sum(jobs)::bigint
        from (
            select jobs, nth from unnest(carried.runs) with ordinality as one (jobs, nth)
            union all
            select one.jobs, one.nth
            from standing
            cross join unnest(standing.total_runs) with ordinality as one (jobs, nth)
            where standing.name is null
        ) as bucket
        group by nth
        order by nth
    ) end as total_runs,
    total_run_s + case when name is null then carried.run_s else 0 end as total_run_s
from grouped
cross join rowline.carried_totals as carried
order by name
