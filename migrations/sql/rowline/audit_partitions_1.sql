-- Partitions of the audit, one a month: this month's and the next two are made, those that ended 400 days ago are dropped.
-- The run-time role, which may neither make nor drop a table, calls it; so it runs with its owner's rights and takes no
-- parameter. What comes while no partition is there goes to rowline.audit_rest. The run-time role may add rows and read
-- them, in each partition too: its default rights on what the owner makes are taken back here.

create or replace function rowline.audit_partitions() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    month timestamptz := date_trunc('month', statement_timestamp(), 'UTC');
    later timestamptz;
    found_name text;
    named text;
    oldest text := 'audit_' || to_char((statement_timestamp() - interval '431 days') at time zone 'UTC', 'YYYY_MM');
begin
    lock table rowline.audit in share update exclusive mode;  -- one call at a time; nobody who adds or reads waits
    if to_regclass('rowline.audit_rest') is null then
        create table rowline.audit_rest partition of rowline.audit default;
    end if;
    for ahead in 0..2 loop
        later := date_trunc('month', month + interval '35 days', 'UTC');
        named := 'audit_' || to_char(month at time zone 'UTC', 'YYYY_MM');
        if to_regclass('rowline.' || named) is null then
            begin
                execute format(
                    'create table rowline.%I partition of rowline.audit for values from (%L) to (%L)', named,
                    to_char(month at time zone 'UTC', 'YYYY-MM-DD') || ' 00:00:00+00',
                    to_char(later at time zone 'UTC', 'YYYY-MM-DD') || ' 00:00:00+00'
                );
            exception
                when check_violation then null;  -- rows of this month are in rowline.audit_rest, and stay there
            end;
        end if;
        month := later;
    end loop;
    for found_name in
        select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'rowline.audit'::regclass and relname ~ '^audit_[0-9]{4}_[0-9]{2}$' and relname::text <= oldest
    loop
        execute format('drop table rowline.%I', found_name);
    end loop;
    delete from rowline.audit_rest where at < statement_timestamp() - interval '400 days';
    if to_regrole('rowline_runtime') is not null then
        for found_name in
            select relname from pg_class
            where (oid = 'rowline.audit'::regclass
                    or oid in (select inhrelid from pg_inherits where inhparent = 'rowline.audit'::regclass))
                and has_table_privilege('rowline_runtime', oid, 'update, delete, truncate')
        loop
            execute format('revoke update, delete, truncate on rowline.%I from rowline_runtime', found_name);
        end loop;
    end if;
end
$$;
comment on function rowline.audit_partitions() is 'Makes the partitions of the audit for three months, and drops those of 400 days ago.';
