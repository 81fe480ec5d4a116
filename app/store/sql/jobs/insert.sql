-- insert: -> waiting, prioritized, delayed
-- Adds the jobs of one array in its order. A job whose custom id exists in the queue is left out of the answer.
-- Rows go in by custom id, so that two arrays with the same ids lock them in the same order and cannot deadlock.
with asked as materialized (
    select
        nextval('rowline.job_numbers') as number,
        a.*,
        statement_timestamp() + a.delay_ms * interval '1 millisecond' as run_at
    from unnest(
        :custom_ids::text[], :names::text[], :data::text[], :opts::text[], :priorities::integer[], :lifos::boolean[],
        :delays_ms::bigint[], :attempts::integer[],
        :backoff_types::text[], :backoff_delays_ms::bigint[], :backoff_jitters::real[],
        :timeouts_ms::bigint[], :stacks_kept::integer[], :logs_kept::integer[]
    ) with ordinality as a (
        custom_id, name, data, opts, priority, lifo, delay_ms, attempts,
        backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept, logs_kept, nth
    )
),
moved as (
    insert into rowline.jobs (
        queue, number, custom_id, name, data, opts, priority, lifo, delay_ms, run_at, added_at, attempts,
        backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept, logs_kept, status, place
    )
    select
        :queue, number, custom_id, name, data::json, opts::json, priority, lifo, delay_ms, run_at,
        statement_timestamp(), attempts, backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept,
        logs_kept,
        case when delay_ms > 0 then 'delayed' when priority > 0 then 'prioritized' else 'waiting' end,
        case when lifo then -1 else 1 end * ((extract(epoch from run_at) * 1000000)::bigint + nth - 1)
    from asked
    order by custom_id collate "C" nulls first, nth
    on conflict (queue, custom_id) where custom_id is not null do nothing
    returning null as was, number, custom_id, status, run_at, added_at
),
counted as (
    :_counted
)
select number, custom_id, status, run_at, added_at from moved
