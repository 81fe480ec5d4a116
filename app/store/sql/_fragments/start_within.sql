-- In how many ms from when a job of :queue becomes ready first it has to start; no row, or null: it may start at any time.
select start_within_ms from rowline.queue_settings where queue = :queue
