-- Stores a new token; no row if its id is taken.
insert into rowline.tokens (
    id, name, scopes, digest, requests_per_s, jobs_per_s, waiting_jobs, streams, expires_at
)
values (
    :id, :name, :scopes::text[], :digest::bytea, :requests_per_s, :jobs_per_s, :waiting_jobs, :streams,
    to_timestamp(:expires_s::double precision)
)
on conflict (id) do nothing
returning
    id, name, scopes, requests_per_s, jobs_per_s, waiting_jobs, streams, created_at, expires_at, revoked_at, next_digest,
    coalesce(expires_at <= statement_timestamp(), false) as is_ended
