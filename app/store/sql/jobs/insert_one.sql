-- insert: -> waiting, prioritized, delayed
-- Inserts one job as jobs/insert does, in two thirds of its time: no arrays, no sort, no aggregates.
-- No row if its custom id exists.
with new as (
    select
        nextval('rowline.job_numbers') as number, 1 as nth, :name as name, :data as data, :opts as opts,
        :_option_values
),
:_added
,
counted as (
    :_counted_one
)
select number, custom_id, status, run_at, added_at, start_by from changed
