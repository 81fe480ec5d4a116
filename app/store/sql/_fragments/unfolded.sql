-- How many deltas are not folded, beside `last`, which is `last_fold`. Index: job_deltas_added_by.
select
    (select count(*) from rowline.job_deltas where added_by >= (select folded_below from last))
    + (
        select count(*) from rowline.job_deltas
        where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
    )
