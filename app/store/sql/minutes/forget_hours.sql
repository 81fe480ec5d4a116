-- Makes days of up to :limit rows of hours that began more than :keep_days ago, the oldest first. Skips locked rows.
-- Days are UTC's, whatever the time zone of the session. Indexes: job_hours_pkey, job_days_pkey.
with
:_rolled_hours
select queue from gone
