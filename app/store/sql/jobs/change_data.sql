-- change_data: active -> active
-- Changes the data of a job whose lease is held. HOT: changes no index.
with changed as (
    update rowline.jobs as job
    set data = :data::json
    :_if_held
