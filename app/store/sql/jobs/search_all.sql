-- Looks at the jobs of all queues, as `jobs/search` does, and finds those of queues that match one of :readable and one of
-- :shown. Index: jobs_pkey.
:_looked
        select
            job.number,
            case
                when clock_timestamp() <= (select clock_timestamp() + :time_ms * interval '1 millisecond')
                    then
                    job.status = any(:statuses::text[])
                    and job.queue like any(:readable::text[]) and job.queue like any(:shown::text[]) and
                    :_matches
            end as is_match
        from rowline.jobs as job
        where job.number > :above and job.number < :below
        order by job.number desc
:_newest_first
