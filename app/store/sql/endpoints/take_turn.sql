-- Locks the endpoint of :queue for the claim that follows in this transaction, unless another dispatcher has it.
-- The claim finds by the row's xmax that it is ours: it is sent before this has answered. Index: endpoints_pkey.
select queue
from rowline.endpoints
where queue = :queue and revision = :revision::uuid and switched_off_at is null
for update skip locked
