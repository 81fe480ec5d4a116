-- Adds up the numbers of jobs of histograms, bucket by bucket. A histogram that is null, or shorter, has no jobs there.
create function report.add_counts(one bigint[], other bigint[]) returns bigint[]
language sql immutable strict parallel safe
return array(
    select coalesce(pair.one, 0) + coalesce(pair.other, 0)
    from unnest(one, other) with ordinality as pair (one, other, nth)
    order by pair.nth
);
create aggregate report.sum_counts(bigint[]) (
    sfunc = report.add_counts,
    stype = bigint[],
    combinefunc = report.add_counts,
    parallel = safe
);
comment on aggregate report.sum_counts(bigint[]) is 'Adds up histograms, such as waits and runs of report.series, bucket by bucket. Null: there are none.';
