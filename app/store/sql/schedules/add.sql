-- Adds a schedule of :queue; no row if it has one with this id by now. Index: schedules_pkey, the arbiter.
insert into rowline.schedules as schedule (
    queue, id, every_ms, offset_ms, pattern, tz, starts_at, ends_at, tick_limit, jitter_ms, misfire, overlap,
    name, data, data_bytes, opts, options, next_at, paused_at, paused_by, created_by
)
select
    :queue, :id, :every_ms::bigint, :offset_ms::bigint, :pattern, :tz, :starts_at::bigint, :ends_at::bigint,
    :tick_limit::bigint, :jitter_ms::bigint, :misfire, :overlap,
    :name, :data::text::json, octet_length(:data::text), :opts::text::json, :options::text::json, :next_at::bigint,
    case when :is_paused::boolean then statement_timestamp() end, case when :is_paused::boolean then :created_by end,
    :created_by
on conflict (queue, id) do nothing
returning schedule.id
