create or replace view report.endpoints as
select
    endpoint.queue,
    substring(endpoint.url from '^[^:]+://(?:[^/?#]*@)?([^/?#]*)') as host,
    endpoint.method,
    endpoint.concurrency,
    endpoint.timeout_ms / 1000.0::double precision as timeout_s,
    endpoint.limiter_max,
    endpoint.limiter_ms / 1000.0::double precision as limiter_s,
    (
        select count(*) from rowline.jobs as job
        where job.queue = endpoint.queue and job.status = 'active' and job.processed_by like 'push:%'
    ) as active,
    endpoint.registered_at,
    endpoint.paused_until,
    endpoint.switched_off_at,
    endpoint.switched_off_reason,
    endpoint.sees_payload
from rowline.endpoints as endpoint;
comment on view report.endpoints is 'One row a queue whose jobs are sent to an endpoint.';
comment on column report.endpoints.queue is 'text: the queue';
comment on column report.endpoints.host is 'text: host and port of the URL; the rest of it may be a secret';
comment on column report.endpoints.method is 'text: POST, PUT or PATCH';
comment on column report.endpoints.concurrency is 'integer: calls that may be under way';
comment on column report.endpoints.timeout_s is 'double precision: seconds that a call may take';
comment on column report.endpoints.limiter_max is 'integer: calls that may begin in limiter_s';
comment on column report.endpoints.limiter_s is 'double precision: seconds of the window of the limiter';
comment on column report.endpoints.active is 'bigint: calls that are under way';
comment on column report.endpoints.registered_at is 'timestamp with time zone: when it was registered';
comment on column report.endpoints.paused_until is 'timestamp with time zone: when the pause that it asked for ends, or ended';
comment on column report.endpoints.switched_off_at is 'timestamp with time zone: when it was switched off, if it is';
comment on column report.endpoints.switched_off_reason is 'text: why';
comment on column report.endpoints.sees_payload is 'boolean: whether it is sent what earlier attempts left of its jobs';
