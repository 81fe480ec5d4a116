create or replace view report.plans as
select
    plan.queue,
    plan.id,
    plan.action,
    plan.status,
    plan.filter,
    plan.change,
    plan.matched,
    plan.done,
    plan.skipped,
    plan.undone,
    plan.not_undone,
    plan.rate_per_s,
    plan.created_at,
    plan.created_by,
    plan.planned_at,
    plan.applied_at,
    plan.ended_at,
    plan.reason
from rowline.plans as plan;
comment on view report.plans is
    'One row a plan, of those that are not finished and of those that ended in the last day.';
comment on column report.plans.queue is 'text: the queue';
comment on column report.plans.id is 'uuid: the id of the plan on the wire';
comment on column report.plans.action is 'text: what is done to each of its jobs: remove, retry, promote, cancel or change';
comment on column report.plans.status is
    'text: planning, planned, queued, applying, applied, stopped, undoing, undone, expired or failed';
comment on column report.plans.filter is 'json: which jobs it means, as in the API';
comment on column report.plans.change is 'json: what is changed of each job';
comment on column report.plans.matched is 'bigint: jobs that it means; so far, while it is planning';
comment on column report.plans.done is 'bigint: jobs to which it was done';
comment on column report.plans.skipped is 'json: jobs that had moved on, by the code of the reason';
comment on column report.plans.undone is 'bigint: removed or retried jobs that came back as they were';
comment on column report.plans.not_undone is
    'bigint: removed jobs whose ids were taken when they were to come back; retried ones that had begun, or were changed';
comment on column report.plans.rate_per_s is 'double precision: so many jobs a second at most; null: no limit';
comment on column report.plans.created_at is 'timestamp with time zone: when it was made';
comment on column report.plans.created_by is 'text: who made it, as in the audit';
comment on column report.plans.planned_at is 'timestamp with time zone: since when it is known which jobs it means';
comment on column report.plans.applied_at is 'timestamp with time zone: when somebody applied it';
comment on column report.plans.ended_at is 'timestamp with time zone: when it ended in any way';
comment on column report.plans.reason is 'text: why it failed';
