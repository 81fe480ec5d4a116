-- The end of the token of `job`, which is to be removed when it completes (`leases.MARKS`): ffff if it leaves nothing else
-- behind then, as far as its row says, else fffe.
case when job.custom_id is null and job.tags is null and job.attempts_started = 0 then 'ffff' else 'fffe' end
