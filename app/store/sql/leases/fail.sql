-- fail: active -> failed
-- Ends these attempts badly, and the jobs with them; a lease that is lost is not in the answer. :are_over: time says so,
-- after the lease; the caller has then locked the row and read the token.
with moved as (
    update rowline.jobs as job
    set status = 'failed',
        finished_at = statement_timestamp(),
        :_failure
),
:_settled
