-- Inserts what `changed` does to the counts of :queue. It has a row for each job: `was`, its status before, or null for
-- a new job, and its status now.
insert into rowline.job_deltas (queue, waiting, prioritized, delayed, active, completed, failed)
select
    :queue,
    count(*) filter (where status = 'waiting') - count(*) filter (where was = 'waiting'),
    count(*) filter (where status = 'prioritized') - count(*) filter (where was = 'prioritized'),
    count(*) filter (where status = 'delayed') - count(*) filter (where was = 'delayed'),
    count(*) filter (where status = 'active') - count(*) filter (where was = 'active'),
    count(*) filter (where status = 'completed') - count(*) filter (where was = 'completed'),
    count(*) filter (where status = 'failed') - count(*) filter (where was = 'failed')
from changed
having count(*) > 0
