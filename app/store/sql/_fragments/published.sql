-- Publishes what the deltas of `taken` tell, in the order of their moments, unless :publishes is false. First comes
-- what is missing: a gap of each queue of which one does not tell; or one of all, if some were folded and not
-- published. Who is told of a gap looks at the jobs, and finds there what these deltas changed: so what they tell can
-- follow it. If the database was restored, ids are passed over that it may have given before, more of them than
-- happens in a year, and whoever resumes after one of these is told of a reset. `drained` are the queues whose ready
-- jobs these deltas used up; `seen` is the snapshot of the statement.
seen as (
    select
        least(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_xact_id()::text::bigint) as folded_below,
        array(select xid::text::bigint from pg_snapshot_xip(pg_current_snapshot()) as xid) as in_flight
),
stand as (
    select
        fold.slot, fold.next_event, fold.folded_below, fold.has_gap,
        fold.published_below is distinct from fold.folded_below as is_gone,
        now.history, fold.history <> now.history as is_restored,
        :publishes::boolean as publishes
    from rowline.job_folds as fold
    cross join lateral (select rowline.history(fold.tableoid) as history) as now
    where fold.is_only
),
listed as (
    select
        '' as queue, 'reset' as verb, statement_timestamp() as at, '{}'::bigint[] as numbers, null::text as worker,
        null::json as details, (1000000000000 * (1 + random()))::bigint as size, '-infinity'::timestamptz as place
    from stand
    where publishes and is_restored
    union all
    select '', 'gap', statement_timestamp(), '{}', null, null, 1, '-infinity'
    from stand
    where publishes and (has_gap or is_gone)
    union all
    select untold.queue, 'gap', statement_timestamp(), '{}', null, null, 1, '-infinity'
    from (select distinct queue from taken where verb is null or numbers is null) as untold
    cross join stand
    where stand.publishes and not (stand.has_gap or stand.is_gone)
    union all
    select
        queue, verb, at, numbers, worker, details,
        case
            when verb in ('pause', 'resume') then 1
            when verb = 'complete_and_remove' then 2 * cardinality(numbers)
            else cardinality(numbers)
        end,
        at
    from taken
    where (select publishes from stand) and verb is not null and numbers is not null
    union all
    select queue, 'drain', statement_timestamp(), '{}', null, null, 1, 'infinity'
    from drained
    where (select publishes from stand)
),
published as (
    insert into rowline.events (slot, last_id, size, queue, verb, at, numbers, worker, details)
    select
        stand.slot,
        stand.next_event - 1 + sum(listed.size) over (order by listed.place rows unbounded preceding),
        listed.size, listed.queue, listed.verb, listed.at, listed.numbers, listed.worker, listed.details
    from listed
    cross join stand
    where listed.size > 0
    returning last_id
)
