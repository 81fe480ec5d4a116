-- Deletes a plan of :queue that has ended. Index: plans_pkey.
delete from rowline.plans
where queue = :queue and id = :id::uuid and ended_at is not null
returning id
