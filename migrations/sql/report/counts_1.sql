create view report.counts as
select
    queue,
    count(*) filter (where status = 'waiting') as waiting,
    count(*) filter (where status = 'prioritized') as prioritized,
    count(*) filter (where status = 'delayed') as delayed,
    count(*) filter (where status = 'active') as active,
    count(*) filter (where status = 'waiting-children') as waiting_children,
    count(*) filter (where status = 'completed') as completed,
    count(*) filter (where status = 'failed') as failed
from rowline.jobs
group by queue;
comment on view report.counts is 'One row a queue: how many jobs it has in each status, exactly.';
comment on column report.counts.queue is 'text: the queue';
comment on column report.counts.waiting is 'bigint: jobs in line without a priority';
comment on column report.counts.prioritized is 'bigint: jobs in line with a priority';
comment on column report.counts.delayed is 'bigint: jobs that will join the line later';
comment on column report.counts.active is 'bigint: jobs that run';
comment on column report.counts.waiting_children is 'bigint: jobs that wait for others';
comment on column report.counts.completed is 'bigint: jobs that are kept and ended well';
comment on column report.counts.failed is 'bigint: jobs that are kept and ended badly';
