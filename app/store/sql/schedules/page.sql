-- Returns :length schedules of :queue from :start on, by id; each as schedules/find does. Index: schedules_pkey.
select
    :_schedule
    , schedule.data_bytes as bytes,
    :_shown_data
from rowline.schedules as schedule
where schedule.queue = :queue
order by schedule.id
limit :length offset :start
