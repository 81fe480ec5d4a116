-- The best ready jobs of :queue, up to :limit, locked, with how long their texts are; those that others lock are skipped.
select
    number,
    :_bytes
    as bytes
:_ready
order by priority, place
limit :limit
for update skip locked
