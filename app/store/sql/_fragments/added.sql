-- Inserts the rows of `new` in their order, none if :queue has settings for new jobs, which `jobs/insert_by_settings` knows;
-- they are not counted yet. A row whose custom id exists in the queue is not inserted. The place of the nth job of an
-- array is n - 1 microseconds from that of the first.
changed as (
    insert into rowline.jobs (
        queue, number, name, data, opts, run_at, added_at, status, place,
        :_option_columns
    )
    select
        :queue, number, name, data::json, opts::json, run_at, statement_timestamp(),
        case when delay_ms > 0 then 'delayed' when priority > 0 then 'prioritized' else 'waiting' end,
        case when lifo then -1 else 1 end * ((extract(epoch from run_at) * 1000000)::bigint + nth - 1),
        :_option_casts
    from new
    cross join lateral (select statement_timestamp() + delay_ms * interval '1 millisecond') as due (run_at)
    cross join (values (null::bigint)) as setting (first_start_by)
    where not exists (
        select from rowline.queue_settings
        where queue = :queue
            and (applied_defaults is not null or start_within_ms is not null or keys is not null)
    )
    on conflict (queue, custom_id) where custom_id is not null do nothing
    returning null as was, number, custom_id, status, run_at, added_at, start_by
)
