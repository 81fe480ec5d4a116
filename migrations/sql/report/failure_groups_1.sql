create or replace view report.failure_groups as
select
    alike.queue,
    alike.fingerprint,
    alike.jobs,
    alike.first_at,
    alike.last_at,
    alike.last_number,
    (
        select job.failed_reason from rowline.jobs as job
        where job.queue = alike.queue and job.number = alike.last_number
    ) as reason
from (
    select
        failed.queue, failed.fingerprint, count(*) as jobs,
        min(failed.finished_at) as first_at, max(failed.finished_at) as last_at, max(failed.number) as last_number
    from rowline.jobs as failed
    where failed.status = 'failed'
    group by failed.queue, failed.fingerprint
) as alike;
comment on view report.failure_groups is 'One row a queue and fingerprint: jobs that are failed now and failed alike.';
comment on column report.failure_groups.queue is 'text: the queue';
comment on column report.failure_groups.fingerprint is
    'text: 16 letters, as in the API; null: of jobs that an older release failed, until they are grouped';
comment on column report.failure_groups.jobs is 'bigint: the jobs that are failed now';
comment on column report.failure_groups.first_at is 'timestamp with time zone: when the first of them failed';
comment on column report.failure_groups.last_at is 'timestamp with time zone: when the last of them failed';
comment on column report.failure_groups.last_number is 'bigint: the number of the newest of them, for an example';
comment on column report.failure_groups.reason is 'text: the reason of that job';
