-- Returns the first :limit jobs that a plan means and has not come to yet, as far as they are there, by number; without those
-- whose texts are longer than :max_bytes bytes. Indexes: plan_jobs_pkey, jobs_pkey.
:_small_jobs
    and number = any(array(
        select number from rowline.plan_jobs
        :_first_of_plan
    ))
order by number
