-- claim: waiting, prioritized -> active
-- Leases as `leases/claim` does, up to :limit jobs and as many as the limits of the endpoint of :queue allow, and
-- counts them in the window of the limiter; a new window begins after the last one. Runs after `try_lock`, in its
-- transaction and with a later snapshot, so that it sees the claims of other dispatchers. Without the lock of
-- `try_lock` it returns no row.
-- Scans from (:from_priority, :from_place): the head of the queue, or past dead entries (`app/domain/scan.py`).
-- Each row says how many jobs were requested, how long the scan took, how long counting the calls took, in how many ms
-- the limiter or pause that prevents calls is over, and in how many ms the next delayed job is due. If one is due
-- already, nothing is claimed, unless :ignore_due: it must be promoted first. Without a job, one row says only this.
-- With :skip_dead it counts the running calls among the newest active jobs, as many as the stored counts say: so it
-- does not read the dead index entries of older ones, which a snapshot may keep. Otherwise it does not read the counts.
-- Indexes: endpoints_pkey, jobs_active, jobs_later, jobs_next, job_counts_pkey, job_deltas_added_by, job_folds_pkey.
with limits as (
    select
        concurrency,
        limiter_max,
        case when window_ends_at > statement_timestamp() then window_started_at end as window_started_at,
        case when window_ends_at > statement_timestamp() then window_ends_at end as window_ends_at,
        case when window_ends_at > statement_timestamp() then window_count else 0 end as window_count,
        case when paused_until > statement_timestamp() then paused_until end as paused_until
    from rowline.endpoints as endpoint
    cross join lateral (
        select window_started_at + limiter_ms * interval '1 millisecond' as window_ends_at
    ) as last
    where queue = :queue and revision = :revision::uuid and switched_off_at is null
        and endpoint.xmax = pg_current_xact_id()::xid
),
due as (
    :_due
),
last as (
    :_last_fold
),
counts as (
    select greatest(0, sum(active))::bigint as active
    from (
        select sum(active) as active
        from rowline.job_deltas
        where queue = :queue and added_by >= (select folded_below from last)
        union all
        select sum(active)
        from rowline.job_deltas
        where queue = :queue and added_by = any((select in_flight from last)::bigint[])
            and added_by < (select folded_below from last)
        union all
        select active from rowline.job_counts where queue = :queue
    ) as parts
),
capacity as materialized (
    select
        limits.*,
        case
            when paused_until is not null or not :ignore_due and exists (select from due where ms = 0) then 0
            -- Leave an eighth for other dispatchers: one that settles and claims in one step would keep all of it.
            else greatest(0, least(:limit, free - free / 8, limiter_max - window_count))
        end as asked,
        coalesce(paused_until, case when window_count >= limiter_max then window_ends_at end) as opens_at,
        statement_timestamp() as asked_at,
        clock_timestamp() as at
    from limits
    cross join lateral (
        select limits.concurrency - count(*) filter (
            where processed_by like 'push:%' and leased_until > statement_timestamp()
        ) as free
        from (
            select processed_by, leased_until
            from rowline.jobs
            where queue = :queue and status = 'active'
            order by number desc
            limit case when :skip_dead then (select active from counts) end
        ) as active
    ) as calls
),
locked as (
    select number
    :_ready
    order by priority, place
    limit coalesce((select asked from capacity), 0)
    for update skip locked
),
scanned as materialized (
    -- A row that changed after the statement began was locked later than that: the attempt begins at the lock.
    select array_agg(number) as numbers, clock_timestamp() as at, uuid_send(gen_random_uuid()) as seed from locked
),
changed as (
    :_lease
    returning job.*, case when job.priority > 0 then 'prioritized' else 'waiting' end as was
),
counted as (
    :_counted
),
limited as (
    update rowline.endpoints as endpoint
    set window_started_at = coalesce(capacity.window_started_at, capacity.asked_at),
        window_count = capacity.window_count + calls.number
    from capacity
    cross join (select count(*) as number from changed) as calls
    where endpoint.queue = :queue and capacity.limiter_max is not null and calls.number > 0
)
select
    :_job
    , lease_token::text, leased_until, place, capacity.asked,
    extract(epoch from scanned.at - capacity.at)::float8 as took_s,
    extract(epoch from capacity.at - statement_timestamp())::float8 as counted_s,
    ceil(extract(epoch from capacity.opens_at - statement_timestamp()) * 1000)::bigint as limit_ends_in_ms,
    due.ms as next_due_ms
from capacity
cross join scanned
left join due on true
left join changed on true
order by priority, place
