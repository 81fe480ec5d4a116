-- Returns the schedules of :queue that are paused, by id, up to :limit. Index: schedules_pkey.
select id, paused_at, paused_by from rowline.schedules where queue = :queue and paused_at is not null order by id limit :limit
