-- Counts the jobs of `changed` that an undo made again what they were: not as added, completed or failed (`summed.sql`).
insert into rowline.job_deltas (
    queue, is_restored, waiting, prioritized, delayed, completed, failed,
    :_noted
)
select
    :queue,
    true,
    count(*) filter (where status = 'waiting') - count(*) filter (where was = 'waiting'),
    count(*) filter (where status = 'prioritized') - count(*) filter (where was = 'prioritized'),
    count(*) filter (where status = 'delayed') - count(*) filter (where was = 'delayed'),
    count(*) filter (where status = 'completed'),
    count(*) filter (where status = 'failed'),
    :_noted_values
from changed
having count(*) > 0
