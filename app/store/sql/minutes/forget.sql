-- Makes hours of up to :limit rows of minutes that began more than :keep_minutes ago, the oldest first. Skips locked rows.
-- Hours are UTC's, whatever the time zone of the session. Indexes: job_minutes_pkey, job_hours_pkey.
with
:_rolled_minutes
select queue from gone
