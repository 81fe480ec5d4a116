-- What is true of every row of `jobs`, by the names of the rules; NULL breaks none. In two parts (decision 91):
-- - what steps of a job's life change, asked at each insert and update;
-- - what its request says, which only an insert and a change by hand set, asked there.
-- Triggers ask, once for all rows of a statement where they can: PostgreSQL keeps their statements prepared, and would read
-- and prepare a CHECK anew for each statement, every column that it names, 8,000 instructions each.
-- Rules are in bodies that PostgreSQL reads once, here and now (decision 34). `refuse_job` is broken_rule_1.sql's.

create or replace function rowline.broken_state_5(
    status text, priority integer, lifo boolean, place bigint, delay_ms bigint, start_by bigint, attempts_made integer,
    attempts_started integer, stalled_count integer, lease_token uuid, leased_until timestamptz,
    processed_at timestamptz, finished_at timestamptz, failed_reason text, result json, failed_code text
) returns text language sql immutable parallel safe
return case
    when not (status in ('waiting', 'active', 'completed', 'failed', 'prioritized', 'delayed', 'waiting-children'))
        then 'jobs_status'
    when not (priority = 0 or status <> 'waiting') then 'jobs_waiting_has_no_priority'
    when not (priority > 0 or status <> 'prioritized') then 'jobs_prioritized_has_one'
    when not ((status = 'active') = (leased_until is not null) and (lease_token is not null or status <> 'active'))
        then 'jobs_leased_exactly_when_active'
    when not (attempts_started > 0 or status <> 'active') then 'jobs_active_has_begun'
    when not ((attempts_started > 0) = (processed_at is not null)) then 'jobs_processed_when_begun'
    when not ((status in ('completed', 'failed')) = (finished_at is not null))
        then 'jobs_finished_exactly_when_final'
    when not ((status = 'completed') = (result is not null)) then 'jobs_result_exactly_when_completed'
    when not (failed_reason is not null or status <> 'failed') then 'jobs_failed_says_why'
    when not (attempts_made between 0 and attempts_started) then 'jobs_attempts_made'
    when not (stalled_count between 0 and attempts_started) then 'jobs_stalled_count'
    when not (failed_code in ('failed', 'cancelled', 'stalled', 'timed_out', 'start_by', 'child_failed'))
        then 'jobs_failed_code'
    when not (not lifo or place < 0) then 'jobs_lifo_is_ahead'
    when not (delay_ms between 0 and 316224000000) then 'jobs_delay'
    when not (start_by between 1 and 253402300799999) then 'jobs_start_by'
end;
comment on function rowline.broken_state_5 is 'The first rule that the state of a job breaks; null if it breaks none.';

create or replace function rowline.broken_request_5(
    queue text, custom_id text, name text, priority integer, attempts integer, backoff_type text,
    backoff_delay_ms bigint, backoff_jitter real, timeout_ms bigint, stacks_kept integer, logs_kept integer, tags text[]
) returns text language sql immutable parallel safe
return case
    when not (char_length(queue) between 1 and 100) then 'jobs_queue'
    when not (char_length(name) between 1 and 255) then 'jobs_name'
    when not (char_length(custom_id) between 1 and 255 and custom_id !~ '^[0-9]+$') then 'jobs_custom_id_form'
    when not (priority between 0 and 2097152) then 'jobs_priority'
    when not (attempts between 1 and 1000) then 'jobs_attempts'
    when not (
        num_nulls(backoff_type, backoff_delay_ms, backoff_jitter) in (0, 3)
        and backoff_type in ('fixed', 'linear', 'exponential') and backoff_delay_ms between 0 and 316224000000
        and backoff_jitter between 0::real and 1::real
    ) then 'jobs_backoff'
    when not (timeout_ms between 1 and 316224000000) then 'jobs_timeout'
    when not (stacks_kept between 0 and 100) then 'jobs_stacks_kept'
    when not (logs_kept between 0 and 1000000) then 'jobs_logs_kept'
    when not rowline.are_texts_1(tags, 10, 100) then 'jobs_tags'
end;
comment on function rowline.broken_request_5 is
    'The first rule that what a job was asked for with breaks; null if it breaks none.';

-- The functions of the triggers state no path, as decision 34 says of what runs at each statement: all they name is the
-- transition table, which PostgreSQL looks for before any other, and functions by their full names.

create or replace function rowline.check_new_jobs() returns trigger language plpgsql as $$
begin
    perform from new_jobs
    where rowline.refuse_job(coalesce(
        rowline.broken_state_5(
            status, priority, lifo, place, delay_ms, start_by, attempts_made, attempts_started, stalled_count, lease_token,
            leased_until, processed_at, finished_at, failed_reason, result, failed_code
        ),
        rowline.broken_request_5(
            queue, custom_id, name, priority, attempts, backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms,
            stacks_kept, logs_kept, tags
        )
    ));
    return null;
end
$$;
comment on function rowline.check_new_jobs is 'Refuses jobs that break a rule. A trigger, for all that a statement inserts.';

create or replace function rowline.check_job_states() returns trigger language plpgsql as $$
begin
    perform from new_jobs
    where rowline.refuse_job(rowline.broken_state_5(
        status, priority, lifo, place, delay_ms, start_by, attempts_made, attempts_started, stalled_count, lease_token,
        leased_until, processed_at, finished_at, failed_reason, result, failed_code
    ));
    return null;
end
$$;
comment on function rowline.check_job_states is
    'Refuses changes after which the state of a job breaks a rule. A trigger, for all that a statement updates.';

create or replace function rowline.check_changed_job() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform rowline.refuse_job(rowline.broken_request_5(
        new.queue, new.custom_id, new.name, new.priority, new.attempts, new.backoff_type, new.backoff_delay_ms,
        new.backoff_jitter, new.timeout_ms, new.stacks_kept, new.logs_kept, new.tags
    ));
    return null;
end
$$;
comment on function rowline.check_changed_job is 'Refuses a change of what a job was asked for with that breaks a rule. A trigger.';
