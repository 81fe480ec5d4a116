-- Keeps programs out that are older than a revision: they would not obey what is being stored. The run-time role, which
-- may not write the version of the schema, calls it in the transaction that stores it; so it runs with its owner's
-- rights, and can only raise the bar, up to the revision of the schema.

create function rowline.require_release(revision text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update rowline.alembic_version
    set oldest = revision
    where coalesce(oldest, '') < revision and revision <= version_num;
end
$$;
comment on function rowline.require_release(text) is 'Makes programs that are older than a revision refuse the schema.';
