-- Inserts or replaces the endpoint of :queue: switched on, with an empty window. `is_new`: there was none before.
insert into rowline.endpoints as existing (
    queue, url, method, headers, secrets, timeout_ms, concurrency, limiter_max, limiter_ms, max_stalled_count,
    remove_on_complete, remove_on_fail, sees_payload
)
values (
    :queue, :url, :method, :headers::bytea, :secrets::bytea, :timeout_ms, :concurrency, :limiter_max, :limiter_ms,
    :max_stalled_count, :remove_on_complete::json, :remove_on_fail::json, :sees_payload
)
on conflict (queue) do update
set url = excluded.url,
    method = excluded.method,
    headers = excluded.headers,
    secrets = excluded.secrets,
    timeout_ms = excluded.timeout_ms,
    concurrency = excluded.concurrency,
    limiter_max = excluded.limiter_max,
    limiter_ms = excluded.limiter_ms,
    max_stalled_count = excluded.max_stalled_count,
    remove_on_complete = excluded.remove_on_complete,
    remove_on_fail = excluded.remove_on_fail,
    sees_payload = excluded.sees_payload,
    window_started_at = null,
    window_count = 0,
    paused_until = null,
    registered_at = excluded.registered_at,
    revision = excluded.revision,
    switched_off_at = null,
    switched_off_reason = null
returning revision, xmax = 0 as is_new
