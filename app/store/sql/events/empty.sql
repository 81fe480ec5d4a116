-- Empties the slot :slot, and waits for who reads it.
select rowline.empty_events(:slot::smallint)
