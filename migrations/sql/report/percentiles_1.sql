-- How long the shares of the jobs of a histogram took at most, in seconds, such as array[0.5, 0.95] of `report.series`: the
-- share's place in its bucket, between the bounds of that, as `app/domain/spans.py` has it too. Null without jobs; what
-- took a day or longer counts as a day.
create function report.percentiles(counts bigint[], shares double precision[]) returns double precision[]
language sql immutable strict parallel safe
return (
    select array_agg(place.s order by asked.nth)
    from unnest(shares) with ordinality as asked (share, nth)
    left join lateral (
        select
            case
                when bucket.upper is null then bucket.lower
                else bucket.lower + (bucket.upper - bucket.lower) * (asked.share * bucket.total - bucket.before)
                    / bucket.jobs
            end as s
        from (
            select
                line.nth, line.jobs,
                sum(line.jobs) over (order by line.nth) - line.jobs as before,
                sum(line.jobs) over () as total,
                coalesce(bounds.s[line.nth - 1], 0) as lower,
                bounds.s[line.nth] as upper
            from unnest(counts) with ordinality as line (jobs, nth)
            cross join (
                values (array[
                    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600,
                    10800, 28800, 86400
                ]::double precision[])
            ) as bounds (s)
        ) as bucket
        where bucket.jobs > 0 and bucket.before + bucket.jobs >= asked.share * bucket.total
        order by bucket.nth
        limit 1
    ) as place on true
);
comment on function report.percentiles(bigint[], double precision[]) is 'How long these shares of the jobs of a histogram took at most, in seconds: array[0.5, 0.95] for half of them and for 95 of 100. Each is a place in a bucket, between its bounds; what took a day or longer counts as a day. Null: there are no jobs.';
