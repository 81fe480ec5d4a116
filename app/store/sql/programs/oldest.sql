-- Returns the revision of the schema, and that of the oldest programs that may use it. In an order, so that the one row is
-- read by an index.
select coalesce(oldest, '') as revision, version_num as schema from rowline.alembic_version order by version_num
