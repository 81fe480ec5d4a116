-- insert: -> waiting, prioritized, delayed
-- Inserts the jobs of one array as jobs/insert does, by the settings of :queue, if it has any. Its defaults hold for the
-- options that a job was sent without: they are its `effective`, and what it is stored with. A job that is ready has to
-- start by what it says itself or within the time of the setting, whichever is earlier. Its terms are stored. If `effective`
-- of all is longer than :max_bytes bytes, neither it nor the tags are returned.
-- Index: queue_settings_pkey.
with usual as materialized (
    select
        setting.applied_defaults, setting.start_within_ms, setting.keys is not null as has_keys,
        setting.applied_defaults is not null or setting.start_within_ms is not null as has_settings
    from rowline.queue_settings as setting
    where setting.queue = :queue
        and (setting.applied_defaults is not null or setting.start_within_ms is not null or setting.keys is not null)
),
:_asked
,
meant as (
    select asked.*, missing.effective
    from asked
    cross join lateral (
        -- null if there is none
        select jsonb_object_agg(each.key, each.value) as effective
        from usual
        cross join lateral jsonb_each(usual.applied_defaults::jsonb) as each (key, value)
        where coalesce(json_typeof(asked.opts::json -> each.key), 'null') = 'null'
    ) as missing
),
new as (
    select
        meant.number, meant.nth, meant.name, meant.data, meant.opts, meant.effective,
        :_option_meanings
    from meant
    order by meant.custom_id collate "C" nulls first, meant.nth
),
changed as (
    insert into rowline.jobs as job (
        queue, number, name, data, opts, effective, run_at, added_at, status, place,
        :_option_columns
    )
    select
        :queue, number, name, data::json, opts::json, effective::json, run_at, statement_timestamp(),
        case when delay_ms > 0 then 'delayed' when priority > 0 then 'prioritized' else 'waiting' end,
        case when lifo then -1 else 1 end * ((extract(epoch from run_at) * 1000000)::bigint + nth - 1),
        :_option_casts
    from new
    cross join lateral (select statement_timestamp() + delay_ms * interval '1 millisecond') as due (run_at)
    cross join lateral (
        select case
            when delay_ms = 0
                then floor(extract(epoch from statement_timestamp()) * 1000)::bigint + (select start_within_ms from usual)
        end
    ) as setting (first_start_by)
    on conflict (queue, custom_id) where custom_id is not null do nothing
    returning
        null as was, number, custom_id, status, run_at, added_at, start_by, priority, lifo, delay_ms, timeout_ms, tags,
        effective, case when (select usual.has_keys from usual) then data end as data
),
:_found_by
,
counted as (
    :_counted
)
select
    number, custom_id, status, run_at, added_at, start_by, priority, lifo, delay_ms, timeout_ms,
    case when added.bytes <= :max_bytes::bigint then tags end as tags,
    case when added.bytes <= :max_bytes::bigint then effective end as effective,
    added.bytes, coalesce((select usual.has_settings from usual), false) as has_settings,
    coalesce((select usual.has_keys from usual), false) as has_keys
from changed
cross join (select coalesce(sum(octet_length(effective::text)), 0)::bigint as bytes from changed) as added
