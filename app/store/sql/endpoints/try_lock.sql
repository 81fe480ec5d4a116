-- Locks the endpoint of :queue for the claim that follows in this transaction, unless another dispatcher has locked it.
-- The claim, sent without waiting for the result, recognizes the lock by the xmax of the row. Index: endpoints_pkey.
select queue
from rowline.endpoints
where queue = :queue and revision = :revision::uuid and switched_off_at is null
for update skip locked
