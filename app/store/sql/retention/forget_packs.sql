-- Forgets, of the :limit oldest packs of completed attempts, those that were made more than :age_s seconds ago, as
-- `forget_removed` does; returns how many. Indexes: removed_packs_pkey, logs_pkey.
with first as (
    select number from rowline.removed_packs order by number limit :limit
),
packed as (
    delete from rowline.removed_packs as pack
    using first
    where pack.number = first.number
        and pack.removed_at < statement_timestamp() - :age_s::bigint * interval '1 second'
    returning pack.queue, pack.attempts
),
logs as (
    -- Looked up job by job, so that no plan reads all lines.
    delete from rowline.logs as line
    where line.ctid = any(array(
        select found.place
        from packed
        :_unpacked
        cross join lateral (
            select stored.ctid as place from rowline.logs as stored
            where stored.queue = packed.queue and stored.number = attempt.number
            offset 0
        ) as found
    ))
)
select count(*) as removed from packed
