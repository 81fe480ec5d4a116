-- insert: -> waiting, prioritized, delayed
-- Inserts the jobs of one array in its order. A job whose custom id exists in the queue is not in the result.
-- Rows are inserted by custom id, so that two arrays with the same ids lock them in the same order, without deadlocks.
with
:_asked
,
new as (
    select * from asked order by custom_id collate "C" nulls first, nth
),
:_added
,
counted as (
    :_counted
)
select number, custom_id, status, run_at, added_at, start_by from changed
