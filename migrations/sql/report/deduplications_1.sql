create view report.deduplications as
select
    held.queue,
    held.dedup_id as id,
    held.job_id,
    job.status,
    held.expires_at,
    held.stored is not null as has_stored
from rowline.deduplications as held
left join rowline.jobs as job on job.queue = held.queue and job.number = held.number
where case
    when held.expires_at is null then held.stored is not null or job.number is not null and job.finished_at is null
    else held.expires_at > statement_timestamp()
end;
comment on view report.deduplications is 'One row a deduplication id that a job holds now, or that a stored job is to take.';
comment on column report.deduplications.queue is 'text: the queue';
comment on column report.deduplications.id is 'text: the id of opts.deduplication';
comment on column report.deduplications.job_id is 'text: the id of the job that holds it; null: nobody does any more';
comment on column report.deduplications.status is 'text: the status of that job; null: it was removed';
comment on column report.deduplications.expires_at is
    'timestamp with time zone: the end of its window; null: it is held until the job has ended';
comment on column report.deduplications.has_stored is 'boolean: whether a job is stored, to follow when that one has ended';
