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
    insert into rowline.job_deltas (
        queue, waiting, prioritized, delayed,
        :_noted
    )
    select
        :queue, (status = 'waiting')::integer, (status = 'prioritized')::integer, (status = 'delayed')::integer,
        :_noted_one
    from changed
)
select number, custom_id, status, run_at, added_at, start_by from changed
