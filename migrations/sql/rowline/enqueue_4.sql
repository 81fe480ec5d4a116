-- What adds jobs in SQL, with the options that say which finished jobs are kept: as in enqueue_3.sql, but for one kind.

create or replace function rowline.enqueue_kept(value json, path text, most bigint, out keep jsonb, out faults json[])
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    whole record;
    member record;
begin
    faults := '{}';
    if json_typeof(value) = 'boolean' then
        keep := case when value::text = 'true' then '{"count": 0}' else 'false' end;
    elsif json_typeof(value) <> 'object' then
        whole := rowline.enqueue_whole(value, 0, most);
        keep := jsonb_build_object('count', whole.number);
        faults := case
            when whole.fault = 'must be an integer'
                then array[rowline.enqueue_fault(path, 'must be true, false, a number or an object')]
            when whole.fault is not null then array[rowline.enqueue_fault(path, whole.fault)]
            else '{}'
        end;
    elsif value::text ~ '^\s*\{\s*\}\s*$' then
        faults := array[rowline.enqueue_fault(path, 'must have age or count')];
    elsif rowline.enqueue_twin(value) is not null then
        perform rowline.enqueue_refuse(
            array[rowline.enqueue_fault(path || '.' || rowline.enqueue_twin(value), 'is there twice')], '22023'
        );
    else
        keep := '{}';
        for member in
            select of_key.key, of_key.value from json_each(value) with ordinality as of_key (key, value, nth)
            order by of_key.key not in ('age', 'count') desc, of_key.nth
        loop
            if member.key not in ('age', 'count') then
                faults := array[rowline.enqueue_fault(
                    path || '.' || case when length(member.key) > 100 then left(member.key, 100) || '…' else member.key end,
                    'is not known here'
                )];
                exit;
            end if;
            whole := rowline.enqueue_whole(
                case when json_typeof(member.value) = 'null' then '""'::json else member.value end,
                0, case member.key when 'age' then 316224000 else most end
            );
            keep := keep || jsonb_build_object(member.key, whole.number);
            faults := faults || case
                when whole.fault is not null
                    then array[rowline.enqueue_fault(path || '.' || member.key, whole.fault)]
                else '{}'
            end;
        end loop;
    end if;
    if cardinality(faults) > 0 then
        keep := null;
    end if;
end
$$;
comment on function rowline.enqueue_kept(json, text, bigint) is
    'What an option means that says which finished jobs are kept, and what is wrong with it.';

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
