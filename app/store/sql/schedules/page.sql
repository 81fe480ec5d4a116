-- Returns :length schedules of :queue from :start on, by id; each as schedules/find does. Index: schedules_pkey.
select
    :_schedule
    , shown.data, shown.bytes
from rowline.schedules as schedule
:_shown_schedule
where schedule.queue = :queue
order by schedule.id
limit :length offset :start
