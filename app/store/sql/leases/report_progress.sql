-- report_progress: active -> active
-- Stores the progress of an attempt. HOT: changes no index.
with changed as (
    update rowline.jobs as job
    set progress = :progress::json
    :_if_held
