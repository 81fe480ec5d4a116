-- What a finished job says itself of how long it is kept. The index jobs_kept has those that are not kept for ever.
case job.status when 'completed' then job.remove_on_complete when 'failed' then job.remove_on_fail end
