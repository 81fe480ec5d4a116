-- The endpoint of :queue without what may be a secret: of its URL the host alone. Index: endpoints_pkey.
select
    substring(endpoint.url, '^[^:]+://(?:[^/?#]*@)?([^/?#]*)') as host, endpoint.method,
    endpoint.timeout_ms as timeout, endpoint.concurrency, endpoint.limiter_max as "limiterMax",
    endpoint.limiter_ms as "limiterDuration", endpoint.max_stalled_count as "maxStalledCount",
    endpoint.remove_on_complete as "removeOnComplete", endpoint.remove_on_fail as "removeOnFail",
    endpoint.sees_payload as "seesPayload"
from rowline.endpoints as endpoint
where endpoint.queue = :queue
