create or replace view report.tokens as
select
    id,
    name,
    scopes,
    requests_per_s,
    jobs_per_s,
    waiting_jobs,
    created_at,
    expires_at,
    revoked_at,
    next_digest is not null as is_rotating,
    streams
from rowline.tokens;
comment on view report.tokens is 'One row an API token, without its secrets. Those of AUTH_TOKENS are not among them.';
comment on column report.tokens.id is 'text: the id, which is part of the token and no secret';
comment on column report.tokens.name is 'text: what it was called when it was made';
comment on column report.tokens.scopes is 'text[]: what it may do, and on which queues';
comment on column report.tokens.requests_per_s is 'integer: requests a second in each API process; null: no limit';
comment on column report.tokens.jobs_per_s is 'integer: jobs a second that it may add in each API process; null: no limit';
comment on column report.tokens.waiting_jobs is 'integer: with so many jobs that have not started it adds none to a queue; null: no limit';
comment on column report.tokens.created_at is 'timestamp with time zone: when it was made';
comment on column report.tokens.expires_at is 'timestamp with time zone: when it ends by itself; null: never';
comment on column report.tokens.revoked_at is 'timestamp with time zone: when it was revoked, if it was';
comment on column report.tokens.is_rotating is 'boolean: whether a second secret is valid until the rotation is finished';
comment on column report.tokens.streams is 'integer: streams of events that it may have at a time in each API process';
