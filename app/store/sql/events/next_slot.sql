-- Has events put into the next slot, which the caller has emptied: if this is the slot :slot still; returns it.
-- Index: job_folds_pkey.
update rowline.job_folds
set slot = mod(slot + 1, 13), slot_began_at = statement_timestamp()
where is_only and slot = :slot
returning slot
