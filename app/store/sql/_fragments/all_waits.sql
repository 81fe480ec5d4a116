-- The histograms `waits` of several rows together, bucket by bucket (`app/domain/durations.py`); null: there are none. As an
-- aggregate, `report.sum_counts`, it takes several times as long.
case when count(waits) > 0 then array[
    coalesce(sum(waits[1]), 0), coalesce(sum(waits[2]), 0), coalesce(sum(waits[3]), 0), coalesce(sum(waits[4]), 0),
    coalesce(sum(waits[5]), 0), coalesce(sum(waits[6]), 0), coalesce(sum(waits[7]), 0), coalesce(sum(waits[8]), 0),
    coalesce(sum(waits[9]), 0), coalesce(sum(waits[10]), 0), coalesce(sum(waits[11]), 0), coalesce(sum(waits[12]), 0),
    coalesce(sum(waits[13]), 0), coalesce(sum(waits[14]), 0), coalesce(sum(waits[15]), 0), coalesce(sum(waits[16]), 0),
    coalesce(sum(waits[17]), 0), coalesce(sum(waits[18]), 0), coalesce(sum(waits[19]), 0), coalesce(sum(waits[20]), 0),
    coalesce(sum(waits[21]), 0), coalesce(sum(waits[22]), 0), coalesce(sum(waits[23]), 0), coalesce(sum(waits[24]), 0)
]::bigint[] end
