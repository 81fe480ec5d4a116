-- Returns :length schedules of the queues whose names match :pattern and one of :allowed, from :start on, by queue and
-- id; each as schedules/find does. Index: schedules_pkey, from its begin on.
select
    :_schedule
    , schedule.data_bytes as bytes,
    :_shown_data
from rowline.schedules as schedule
where schedule.queue like :pattern and schedule.queue like any(:allowed::text[])
order by schedule.queue, schedule.id
limit :length offset :start
