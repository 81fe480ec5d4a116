-- Keeps which attempts completed jobs that went with that, as the deltas of `taken` tell, for who repeats its word: a row for
-- each 256 numbers of a queue, of which these are some.
packed as (
    insert into rowline.removed_packs (queue, bucket, attempts)
    select packed.queue, attempt.number >> 8, string_agg(attempt.key, '')
    from (select queue, removed || ''::bytea as attempts from taken where removed is not null offset 0) as packed
    :_unpacked
    group by packed.queue, attempt.number >> 8
)
