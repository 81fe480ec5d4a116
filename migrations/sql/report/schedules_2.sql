create or replace view report.schedules as
select
    schedule.queue,
    schedule.id,
    schedule.every_ms,
    schedule.offset_ms,
    schedule.pattern,
    schedule.tz,
    schedule.misfire,
    schedule.overlap,
    schedule.jitter_ms,
    schedule.name as job_name,
    case when schedule.paused_at is null then to_timestamp(schedule.next_at / 1000.0) end as next_at,
    schedule.paused_at,
    schedule.next_at is null as has_ended,
    schedule.ticks,
    schedule.tick_limit,
    schedule.skipped,
    to_timestamp(schedule.last_tick_at / 1000.0) as last_tick_at,
    schedule.last_job_id,
    job.status as last_status,
    schedule.created_at,
    schedule.created_by,
    schedule.changed_at,
    case when schedule.paused_at is not null then schedule.paused_by end as paused_by
from rowline.schedules as schedule
left join rowline.jobs as job on job.queue = schedule.queue and job.number = schedule.last_number;
comment on view report.schedules is 'One row a schedule.';
comment on column report.schedules.queue is 'text: the queue';
comment on column report.schedules.id is 'text: the id, unique in its queue';
comment on column report.schedules.every_ms is 'bigint: the interval in ms; null: it ticks by a pattern';
comment on column report.schedules.offset_ms is 'bigint: from the multiples of the interval since the epoch; null: it counts from the first tick';
comment on column report.schedules.pattern is 'text: as cron has it; null: it ticks by an interval';
comment on column report.schedules.tz is 'text: the time zone of the pattern';
comment on column report.schedules.misfire is 'text: what becomes of ticks that nobody was there for: once, skip, all';
comment on column report.schedules.overlap is 'text: what a tick does while the job of the last one is there: pending, skip, allow, cancel';
comment on column report.schedules.jitter_ms is 'bigint: the job of a tick is delayed by 0 to so many ms, at random';
comment on column report.schedules.job_name is 'text: the name of its jobs';
comment on column report.schedules.next_at is 'timestamp with time zone: the next tick; null: it is paused, or has ended';
comment on column report.schedules.paused_at is 'timestamp with time zone: when it was paused; null: it is not';
comment on column report.schedules.has_ended is 'boolean: whether there are no more ticks, by its limit or its end';
comment on column report.schedules.ticks is 'bigint: ticks that got a job';
comment on column report.schedules.tick_limit is 'bigint: so many end it; null: there is no limit';
comment on column report.schedules.skipped is 'bigint: ticks that got none';
comment on column report.schedules.last_tick_at is 'timestamp with time zone: the last tick that got a job; null: none did';
comment on column report.schedules.last_job_id is 'text: the id of that job';
comment on column report.schedules.last_status is 'text: its status; null: it was removed';
comment on column report.schedules.created_at is 'timestamp with time zone: when it was made';
comment on column report.schedules.created_by is 'text: who made it, as in the audit';
comment on column report.schedules.changed_at is 'timestamp with time zone: when it was changed last; null: never';
comment on column report.schedules.paused_by is 'text: who paused it, as in the audit; null: it is not paused, or a release before revision 0041 did it';
