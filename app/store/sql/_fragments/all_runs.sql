-- The histograms `runs` of several rows together, bucket by bucket (`app/domain/durations.py`); null: there are none. As an
-- aggregate, `report.sum_counts`, it takes several times as long.
case when count(runs) > 0 then array[
    coalesce(sum(runs[1]), 0), coalesce(sum(runs[2]), 0), coalesce(sum(runs[3]), 0), coalesce(sum(runs[4]), 0),
    coalesce(sum(runs[5]), 0), coalesce(sum(runs[6]), 0), coalesce(sum(runs[7]), 0), coalesce(sum(runs[8]), 0),
    coalesce(sum(runs[9]), 0), coalesce(sum(runs[10]), 0), coalesce(sum(runs[11]), 0), coalesce(sum(runs[12]), 0),
    coalesce(sum(runs[13]), 0), coalesce(sum(runs[14]), 0), coalesce(sum(runs[15]), 0), coalesce(sum(runs[16]), 0),
    coalesce(sum(runs[17]), 0), coalesce(sum(runs[18]), 0), coalesce(sum(runs[19]), 0), coalesce(sum(runs[20]), 0),
    coalesce(sum(runs[21]), 0), coalesce(sum(runs[22]), 0), coalesce(sum(runs[23]), 0), coalesce(sum(runs[24]), 0)
]::bigint[] end
