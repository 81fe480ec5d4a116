-- resume: (no job) -> (no job)
-- Ends the pause of :queue. Returns the pause that it was. Locks the row. Index: queue_settings_pkey.
with pause as (
    select queue, paused_at, paused_by, pause_reason from rowline.queue_settings
    where queue = :queue and paused_at is not null
    for no key update
),
changed as (
    update rowline.queue_settings as setting
    set paused_at = null,
        paused_by = null,
        pause_reason = null
    from pause
    where setting.queue = :queue and setting.queue = pause.queue
    returning pause.paused_at, pause.paused_by, pause.pause_reason
),
told as (
    :_told
)
select paused_at, paused_by, pause_reason from changed
