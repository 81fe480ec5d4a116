create view report.logs as
select
    log.queue,
    coalesce(job.custom_id, job.number::text) as id,
    log.number,
    job.name,
    log.line_number,
    log.logged_at,
    log.line
from rowline.logs as log
join rowline.jobs as job on job.number = log.number and job.queue = log.queue;
comment on view report.logs is 'One row a line that a handler logged. Fast by (queue, number).';
comment on column report.logs.queue is 'text: the queue';
comment on column report.logs.id is 'text: the id of the job on the wire';
comment on column report.logs.number is 'bigint: the number of the job';
comment on column report.logs.name is 'text: the name of the job';
comment on column report.logs.line_number is 'bigint: grows in the order of the lines';
comment on column report.logs.logged_at is 'timestamp with time zone: when the line came';
comment on column report.logs.line is 'text: what was logged';
