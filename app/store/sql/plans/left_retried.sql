-- Returns the first :limit jobs that a plan retried and its undo left, as far as they are there, by number; without those
-- whose texts are longer than :max_bytes bytes. Indexes: plan_retried_pkey, jobs_pkey.
:_small_jobs
    and number = any(array(
        select number from rowline.plan_retried
        :_first_of_plan
    ))
order by number
