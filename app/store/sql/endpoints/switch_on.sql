-- Switches the endpoint of :queue on, with a new revision, so that answers to calls from before cannot switch it off;
-- no row if it is on, or there is none. Returns why it was off. A pause that it asked for, and the window of its
-- limiter, stay. Index: endpoints_pkey.
with off as (
    select queue, switched_off_reason as reason, gen_random_uuid() as revision
    from rowline.endpoints
    where queue = :queue and switched_off_at is not null
    for update
)
update rowline.endpoints as endpoint
set switched_off_at = null, switched_off_reason = null, revision = off.revision
from off
where endpoint.queue = off.queue and endpoint.switched_off_at is not null
returning off.reason
