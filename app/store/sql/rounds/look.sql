-- Returns whether a delayed job is due in any queue, whether a job should have started by now, whether there are deltas to
-- fold, whether plans go on by themselves, whether jobs are stored to follow others, whether a schedule is due, and the time; sends
-- :words, one or none, on :channel. One process runs it twice a second (`app/maintenance/rounds.py`); its commit does not
-- wait for the disk.
-- Indexes: jobs_due, jobs_unstarted, plans_unfinished, deduplications_stored, schedules_due, one probe each;
-- job_deltas_added_by, job_folds_pkey.
with next_due as (
    select run_at from rowline.jobs
    where '' || status = 'delayed'
    order by run_at, number
    limit 1
),
next_start as (
    select start_by from rowline.jobs
    where start_by is not null and '' || status in ('waiting', 'prioritized', 'delayed') and attempts_started = 0
    order by start_by, number
    limit 1
),
last as (
    :_last_fold
)
select
    exists (select from next_due where run_at <= statement_timestamp()) as is_due,
    exists (
        select from next_start where start_by <= floor(extract(epoch from statement_timestamp()) * 1000)::bigint
    ) as is_late,
    exists (select from rowline.job_deltas where added_by >= (select folded_below from last))
    or exists (
        select from rowline.job_deltas
        where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
    )
    or :tells::boolean and (
        select has_gap or published_below is distinct from folded_below from rowline.job_folds where is_only
    ) as is_unfolded,
    exists (
        select from rowline.plans where status in ('planning', 'queued', 'applying', 'undoing')
    ) as has_plans,
    exists (select from rowline.deduplications where stored is not null) as has_stored,
    exists (
        select from rowline.schedules
        where next_at is not null and paused_at is null
            and next_at <= floor(extract(epoch from statement_timestamp()) * 1000)::bigint
    ) as has_ticks,
    floor(extract(epoch from statement_timestamp()) * 1000)::bigint as now_ms,
    set_config('synchronous_commit', 'off', true),
    (select pg_notify(:channel, word) from unnest(:words::text[]) as word)
