-- Returns the first :limit jobs of all queues that should have started by now, and have not, after (:after, :after_number),
-- in the order of their times. Index: jobs_unstarted.
select queue, number, start_by
from rowline.jobs
where start_by <= floor(extract(epoch from statement_timestamp()) * 1000)::bigint
    and '' || status in ('waiting', 'prioritized', 'delayed') and attempts_started = 0
    and (start_by, number) > (:after::bigint, :after_number::bigint)
order by start_by, number
limit :limit
