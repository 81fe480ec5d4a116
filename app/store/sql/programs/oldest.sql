-- Returns the revision of the oldest programs that may use the schema. In an order, so that the one row is read by an index.
select coalesce(oldest, '') as revision from rowline.alembic_version order by version_num
