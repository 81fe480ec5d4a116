-- Adds deltas to the counts of their queues, up to :limit, or until they tell of some 400,000 attempts that are to be kept
-- (a third of a second), and publishes the events that they tell; returns how many
-- there were, how many rows of events, and whether others may be left. They are taken in the order of their moments:
-- who changes a job after another does so after the other's commit, and reads the clock later, so that what is taken
-- of a job are its first changes. It reads :most deltas at most, those of the lowest transaction ids, and takes of
-- them what is earlier than all others. What is not read has a higher id: when that was given, all that is read with a
-- later moment was in transactions that were open, of which there are no more than connections and background workers.
-- So up to the moment when one more than these had yet to write, nothing is missing in what was read. None is taken if
-- it is of too few transactions; then :most is to be larger. Also returns the queues in which jobs became ready, if
-- they have ready ones: their wake-ups may have been lost. Adds what they tell of jobs to the current minute of their
-- queues, and to the totals, with how long jobs waited and ran. The caller holds the lock (try_lock). If it folded all
-- deltas of its snapshot, it marks the snapshot as folded.
-- Indexes: job_deltas_added_by, job_counts_pkey, job_folds_pkey, job_minutes_pkey.
with last as (
    :_last_fold
),
found as materialized (
    select place, added_by, at, removed_bytes
    from (
        (
            select ctid as place, added_by, at, octet_length(removed) as removed_bytes from rowline.job_deltas
            where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
            order by added_by
            limit :most
        )
        union all
        (
            select ctid, added_by, at, octet_length(removed) from rowline.job_deltas
            where added_by >= (select folded_below from last)
            order by added_by
            limit :most
        )
    ) as unfolded
    order by added_by
    limit :most
),
known as (
    select case
        when (select count(*) from found) < :most then 'infinity'
        else coalesce(
            (
                select last_at
                from (select max(at) as last_at from found group by added_by) as open
                order by last_at desc nulls last
                limit 1
                offset current_setting('max_connections')::integer + current_setting('max_worker_processes')::integer
            ),
            '-infinity'
        )
    end as until
),
taken as (
    delete from rowline.job_deltas
    where ctid = any(array(
        select place
        from (
            select place, at, sum(removed_bytes) over (order by at nulls first rows unbounded preceding) as removed_bytes
            from found
            where at is null or at < (select until from known)
        ) as next
        where (removed_bytes > 10000000) is not true
        order by at nulls first
        limit :limit
    ))
    returning
        :_delta
),
summed as (
    :_summed
),
folded as (
    insert into rowline.job_counts as existing (
        :_count_columns
    )
    select
        queue, waiting, prioritized, delayed, active, waiting_children, completed, failed,
        newly_added, newly_claimed, newly_completed, newly_failed, newly_removed,
        newly_attempts_failed, newly_retried, newly_released, newly_stalled,
        waits, wait_s, runs, run_s, statement_timestamp()
    from summed
    on conflict (queue) do update
    set
        :_more_standing
        ,
        :_totals
    returning queue, waiting + prioritized as ready
),
minutes as (
    :_minutes
),
drained as (
    select queue from folded
    where ready <= 0 and (queue in (select queue from taken where waiting + prioritized < 0)) is true
),
:_published
,
:_packed
,
whole as (
    select
        count(*) > 0 and count(*) = (select count(*) from found) and (select until from known) = 'infinity' as is_whole
    from taken
),
marked as (
    :_fold_mark
)
select
    count(*) as deltas,
    (select count(*) from published) as published,
    count(*) < (select count(*) from found) or (select until from known) < 'infinity' as is_cut,
    array(
        select queue from folded
        -- In a form that is hashed: as a join it compared all with all, since the planner expects few.
        where ready > 0 and (queue in (select queue from taken where waiting > 0 or prioritized > 0)) is true
    ) as queues
from taken
