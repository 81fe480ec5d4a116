-- Empties the slot :slot; fails if somebody reads it: who waits for that has the lock of folds, and readers wait behind it.
select set_config('lock_timeout', '10ms', true), rowline.empty_events(:slot::smallint)
