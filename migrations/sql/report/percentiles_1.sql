-- How long the shares of the jobs of a histogram took at most, in seconds, such as array[0.5, 0.95] of `report.series`: the
-- share's place in its bucket, between the bounds of that, as `app/domain/durations.py` has it too. Null without jobs; what
-- took a day or longer counts as a day. In plpgsql it takes a fraction of the time of a query.
create function report.percentiles(counts bigint[], shares double precision[]) returns double precision[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    bounds constant double precision[] := '{
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 10800, 28800,
        86400
    }';
    total bigint := 0;
    found double precision[] := '{}';
    jobs bigint;
    share double precision;
    upto bigint;
    nth integer;
    low double precision;
    place double precision;
begin
    foreach jobs in array counts loop
        total := total + jobs;
    end loop;
    foreach share in array shares loop
        upto := 0;
        nth := 0;
        place := null;
        foreach jobs in array counts loop
            nth := nth + 1;
            if jobs > 0 and upto + jobs >= share * total then
                low := coalesce(bounds[nth - 1], 0);
                place := low + (coalesce(bounds[nth], low) - low) * (share * total - upto) / jobs;
                exit;
            end if;
            upto := upto + jobs;
        end loop;
        found := array_append(found, place);
    end loop;
    return found;
end
$$;
comment on function report.percentiles(bigint[], double precision[]) is 'How long these shares of the jobs of a histogram took at most, in seconds: array[0.5, 0.95] for half of them and for 95 of 100. Each is a place in a bucket, between its bounds; what took a day or longer counts as a day. Null: there are no jobs.';
