-- Replaces all that a schedule of :queue is to do; the transaction has locked it. With :pauses and :resumes it is paused from now
-- on, or not any more. Index: schedules_pkey.
with clock as (
    select statement_timestamp() as at
)
update rowline.schedules as schedule
set every_ms = :every_ms::bigint,
    offset_ms = :offset_ms::bigint,
    pattern = :pattern,
    tz = :tz,
    starts_at = :starts_at::bigint,
    ends_at = :ends_at::bigint,
    tick_limit = :tick_limit::bigint,
    jitter_ms = :jitter_ms::bigint,
    misfire = :misfire,
    overlap = :overlap,
    name = :name,
    data = :data::text::json,
    data_bytes = octet_length(:data::text),
    opts = :opts::text::json,
    options = :options::text::json,
    next_at = :next_at::bigint,
    paused_at = case when :pauses::boolean then (select at from clock) when not :resumes::boolean then schedule.paused_at end,
    paused_by = case when :pauses::boolean then :paused_by when not :resumes::boolean then schedule.paused_by end,
    changed_at = (select at from clock)
where schedule.queue = :queue and schedule.id = :id
returning schedule.id
