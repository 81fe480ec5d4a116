-- What reads the options of jobs that are added in SQL: as in enqueue_4.sql, but for ids that only schedules give.

create or replace function rowline.enqueue_opts(
    opts json, path text, options rowline.job_options[], out stored jsonb, out faults json[]
)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    whole record;
    option rowline.job_options;
    value json;
    meant jsonb;
    message text;
    found json[];
begin
    stored := '{}';
    faults := '{}';
    foreach option in array options loop
        value := opts -> option.name;
        continue when value is null or json_typeof(value) = 'null';
        message := null;
        meant := null;
        case option.kind
            when 'whole' then
                whole := rowline.enqueue_whole(value, option.low, option.high);
                meant := to_jsonb(whole.number);
                message := whole.fault;
            when 'flag' then
                meant := value;
                message := case when json_typeof(value) <> 'boolean' then 'must be true or false' end;
            when 'id' then
                meant := to_jsonb(opts ->> option.name);
                message := case
                    when json_typeof(value) <> 'string' then 'must be a string'
                    when meant #>> '{}' = '' then null
                    when meant #>> '{}' ~ '^[0-9]+$'
                        then 'must not be made of digits alone (Custom Id cannot be integers)'
                    when meant #>> '{}' like 'repeat:%'
                        then 'must not begin with ''repeat:'': such ids have the jobs of schedules'
                    else rowline.enqueue_name_fault(meant #>> '{}', option.high::integer)
                end;
            when 'texts' then
                found := rowline.enqueue_texts_faults(value, path || '.' || option.name, option);
                meant := case when cardinality(found) = 0 then value end;
                faults := faults || found;
            when 'kept' then
                whole := rowline.enqueue_kept(value, path || '.' || option.name, option.high);
                meant := whole.keep;
                faults := faults || whole.faults;
            when 'backoff' then
                whole := rowline.enqueue_backoff(value, path || '.' || option.name);
                faults := faults || whole.faults;
                stored := stored || jsonb_build_object(
                    'backoff_type', whole.kind, 'backoff_delay_ms', whole.delay_ms, 'backoff_jitter', whole.jitter
                );
            else
                message := 'is an option that Rowline does not have yet';
        end case;
        if message is not null then
            faults := faults || rowline.enqueue_fault(path || '.' || option.name, message);
        elsif not (meant is null or option.is_empty_absent and meant in ('0', '""', '[]')) then
            stored := stored || jsonb_build_object(option.field, meant);
        end if;
    end loop;
    faults := faults || array(
        select
            rowline.enqueue_fault(
                path || '.' || case when length(key) > 100 then left(key, 100) || '…' else key end, 'is not known here'
            )
        from json_object_keys(opts) as key
        where key not in (select name from unnest(options))
    );
end
$$;
comment on function rowline.enqueue_opts(json, text, rowline.job_options[]) is
    'What opts mean, as columns of a job, and what is wrong with them.';
