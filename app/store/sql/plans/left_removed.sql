-- Returns the jobs that have the ids of the first :limit jobs that a plan removed and its undo left, by id; without those
-- whose texts are longer than :max_bytes bytes. Indexes: plan_removed_pkey, jobs_custom_id.
:_small_jobs
    and custom_id = any(array(
        select custom_id from rowline.plan_removed
        :_first_of_plan
    ))
order by custom_id
