-- Deletes what is known of :queue by the minute, the hour and the day. One probe for each minute, hour and day that is
-- kept: the keys begin with the time. Indexes: job_minutes_pkey, job_hours_pkey, job_days_pkey.
with minutes as (
    delete from rowline.job_minutes
    where queue = :queue and minute = any(array(
        select * from generate_series(
            (select minute from rowline.job_minutes order by minute, queue limit 1), statement_timestamp(), interval '1 minute'
        )
    ))
),
hours as (
    delete from rowline.job_hours
    where queue = :queue and hour = any(array(
        select * from generate_series(
            (select hour from rowline.job_hours order by hour, queue limit 1), statement_timestamp(), interval '1 hour'
        )
    ))
)
delete from rowline.job_days
where queue = :queue and day = any(array(
    select * from generate_series(
        (select day from rowline.job_days order by day, queue limit 1), statement_timestamp(), interval '24 hours'
    )
))
returning queue
