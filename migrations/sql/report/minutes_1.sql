create view report.minutes as
select minute as from_at, queue, added, completed, failed
from rowline.job_minutes;
comment on view report.minutes is 'One row a queue and minute in which jobs were added or ended, of the last 48 hours, whether these jobs are kept or not.';
comment on column report.minutes.from_at is 'timestamp with time zone: the begin of the minute in which it was counted, within a second or two of the commit';
comment on column report.minutes.queue is 'text: the queue';
comment on column report.minutes.added is 'bigint: jobs added';
comment on column report.minutes.completed is 'bigint: jobs that completed';
comment on column report.minutes.failed is 'bigint: jobs that failed or were cancelled';
