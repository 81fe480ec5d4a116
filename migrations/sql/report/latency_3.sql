create or replace view report.latency as
select
    told.per,
    told.from_at,
    told.queue,
    told.completed as jobs,
    took.waited[1] as wait_p50_s,
    took.waited[2] as wait_p95_s,
    took.waited[3] as wait_p99_s,
    took.ran[1] as run_p50_s,
    took.ran[2] as run_p95_s,
    took.ran[3] as run_p99_s
from report.series as told
cross join lateral (
    select
        report.percentiles(told.waits, array[0.5, 0.95, 0.99]) as waited,
        report.percentiles(told.runs, array[0.5, 0.95, 0.99]) as ran
    offset 0  -- so that they are computed once for three columns each
) as took
where (told.waits is not null or told.runs is not null)
    and (
        told.per = 'minute' and told.from_at >= date_trunc('minute', statement_timestamp()) - interval '24 hours'
        or told.per = 'hour' and told.from_at >= date_trunc('hour', statement_timestamp()) - interval '31 days'
        or told.per = 'day' and told.from_at >= date_trunc('day', statement_timestamp()) - interval '366 days'
    );
comment on view report.latency is
    'One row a period and queue in which attempts began or ended: how long jobs waited and ran, whether they are kept or not, to about a third, by the histograms of report.series. Covers 24 hours by the minute, 31 days by the hour, 366 days by the day; name per, and bound from_at.';
comment on column report.latency.per is 'text: minute, hour or day: the length of the period. Always name one';
comment on column report.latency.from_at is 'timestamp with time zone: when the period begins, in the time zone of the session';
comment on column report.latency.queue is 'text: the queue';
comment on column report.latency.jobs is 'bigint: jobs that completed in it';
comment on column report.latency.wait_p50_s is 'double precision: seconds in line before the attempts that began in it: half of them were at most so long; null if none did';
comment on column report.latency.wait_p95_s is 'double precision: seconds in line before the attempts that began in it: 95 of 100 were at most so long; null if none did';
comment on column report.latency.wait_p99_s is 'double precision: seconds in line before the attempts that began in it: 99 of 100 were at most so long; null if none did';
comment on column report.latency.run_p50_s is 'double precision: seconds that attempts ran that completed or failed in it: half of them were at most so long; null if none did';
comment on column report.latency.run_p95_s is 'double precision: seconds that attempts ran that completed or failed in it: 95 of 100 were at most so long; null if none did';
comment on column report.latency.run_p99_s is 'double precision: seconds that attempts ran that completed or failed in it: 99 of 100 were at most so long; null if none did';
