-- What the functions of rowline.enqueue pass on. A type cannot be made anew: `alter type … add attribute` changes it.

create type rowline.enqueue_job as (
    custom_id text, name text, data text, opts text, priority integer, lifo boolean, delay_ms bigint, attempts integer,
    backoff_type text, backoff_delay_ms bigint, backoff_jitter real, timeout_ms bigint, stacks_kept integer,
    logs_kept integer
);

create type rowline.enqueued as (id text, number bigint, status text, outcome text);
