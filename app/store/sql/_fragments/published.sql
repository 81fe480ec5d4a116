-- Publishes what the deltas of `taken` tell, in the order of their moments: unless one does not tell, a release before
-- revision 0035 has folded since, or :publishes is false. Then the stream has a gap, which comes first next time.
-- `drained` are the queues whose ready jobs these deltas used up; `seen` is the snapshot of the statement.
seen as (
    select
        least(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_xact_id()::text::bigint) as folded_below,
        array(select xid::text::bigint from pg_snapshot_xip(pg_current_snapshot()) as xid) as in_flight
),
stand as (
    select
        fold.slot, fold.next_event, fold.has_gap, fold.folded_below,
        gone.is_gone,
        :publishes::boolean and not gone.is_gone as publishes
    from rowline.job_folds as fold
    cross join lateral (
        select
            fold.published_below is distinct from fold.folded_below
            or exists (select from taken where verb is null or numbers is null) as is_gone
    ) as gone
    where fold.is_only
),
listed as (
    select
        '' as queue, 'gap' as verb, statement_timestamp() as at, '{}'::bigint[] as numbers, null::text as worker,
        null::json as details, 1::bigint as size, '-infinity'::timestamptz as place
    from stand
    where publishes and has_gap
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
    where (select publishes from stand)
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
