-- pause: (no job) -> (no job)
-- Pauses :queue; a pause that there is keeps its time, its author and its reason. Returns the pause, and whether it is
-- new. Locks the row. Index: queue_settings_pkey.
with paused as (
    insert into rowline.queue_settings as setting (queue, paused_at, paused_by, pause_reason)
    values (:queue, statement_timestamp(), :by, :reason)
    on conflict (queue) do update
    set paused_at = coalesce(setting.paused_at, excluded.paused_at),
        paused_by = coalesce(setting.paused_by, excluded.paused_by),
        pause_reason = case when setting.paused_at is null then excluded.pause_reason else setting.pause_reason end
    returning paused_at, paused_by, pause_reason, paused_at = statement_timestamp() as is_new
),
changed as (
    select from paused where is_new
),
told as (
    :_told
)
select paused_at, paused_by, pause_reason, is_new from paused
