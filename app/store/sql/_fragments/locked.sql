-- The first ready jobs of :queue, up to :limit, locked, with the length of their texts. Skips locked rows.
select
    number,
    :_bytes
    as bytes
:_ready
order by priority, place
limit :limit
for update skip locked
