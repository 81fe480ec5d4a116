-- Adds up the numbers of jobs of histograms, bucket by bucket. A histogram that is null, or shorter, has no jobs there.
create function report.add_counts(one bigint[], other bigint[]) returns bigint[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    for nth in 1 .. cardinality(other) loop
        one[nth] := coalesce(one[nth], 0) + other[nth];
    end loop;
    return one;
end
$$;
create aggregate report.sum_counts(bigint[]) (
    sfunc = report.add_counts,
    stype = bigint[],
    combinefunc = report.add_counts,
    parallel = safe
);
comment on aggregate report.sum_counts(bigint[]) is 'Adds up histograms, such as waits and runs of report.series, bucket by bucket. Null: there are none.';
