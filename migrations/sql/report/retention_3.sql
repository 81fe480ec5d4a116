create or replace view report.retention as
select
    kept.queue,
    kept.status,
    kept.jobs,
    oldest.added_at as oldest_added_at,
    oldest.finished_at as oldest_finished_at,
    newest.finished_at as newest_finished_at,
    rule.keeps,
    rule.set_by
from (
    select queue, 'completed' as status, completed as jobs from report.counts
    union all
    select queue, 'failed', failed from report.counts
) as kept
cross join lateral (
    select job.added_at, job.finished_at from rowline.jobs as job
    where job.queue = kept.queue and job.status = kept.status and job.status <> 'active'
    order by job.number
    limit 1
) as oldest
cross join lateral (
    select job.finished_at from rowline.jobs as job
    where job.queue = kept.queue and job.status = kept.status and job.status <> 'active'
    order by job.number desc
    limit 1
) as newest
left join rowline.endpoints as endpoint on endpoint.queue = kept.queue
left join rowline.queue_settings as own on own.queue = kept.queue
left join rowline.settings as service on service.is_only
cross join lateral (
    select
        case kept.status when 'completed' then endpoint.remove_on_complete else endpoint.remove_on_fail end as of_endpoint,
        case kept.status when 'completed' then own.remove_on_complete else own.remove_on_fail end as of_queue,
        case kept.status when 'completed' then service.remove_on_complete else service.remove_on_fail end as of_service
) as found
cross join lateral (
    select
        coalesce(found.of_endpoint, found.of_queue, found.of_service)::text as keeps,
        case
            when found.of_endpoint is not null then 'endpoint'
            when found.of_queue is not null then 'queue'
            when found.of_service is not null then 'service'
        end as set_by
) as rule;
comment on view report.retention is 'One row a queue and final status: how many finished jobs are kept, and since when.';
comment on column report.retention.queue is 'text: the queue';
comment on column report.retention.status is 'text: completed or failed';
comment on column report.retention.jobs is 'bigint: jobs that are kept';
comment on column report.retention.oldest_added_at is 'timestamp with time zone: when the one with the lowest number was added';
comment on column report.retention.oldest_finished_at is 'timestamp with time zone: when that one finished';
comment on column report.retention.newest_finished_at is 'timestamp with time zone: when the one with the highest number finished';
comment on column report.retention.keeps is 'text: what holds for jobs that say nothing of it themselves, as JSON: an object with age (s) and count, or false: for ever; null when nothing is set, so that all are kept';
comment on column report.retention.set_by is 'text: endpoint, queue or service: where that is set';
