-- Whether a job has failed and says itself that it is not to be kept then: it is removed in the same transaction.
coalesce(job.status = 'failed' and job.remove_on_fail ->> 'count' = '0', false) as goes
