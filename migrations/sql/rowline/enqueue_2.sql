-- rowline.enqueue and rowline.enqueue_many, and what they are made of. Each states its search_path: whoever calls them
-- has one of their own. `pg_temp` stands last there, since a path that does not name it begins with it for types and
-- tables, and everybody may make a type called `text` in it. The limits are those of app/domain;
-- tests/store/test_enqueue.py holds both to one another.

create or replace function rowline.enqueue_name_fault(name text, longest integer) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return case
        when name = '' then 'must not be empty'
        when char_length(name) > longest
            then format('must be at most %s characters, not %s', longest, char_length(name))
        when name in ('.', '..') then format('must not be ''%s''', name)
        when strpos(name, '/') > 0 then 'must not contain ''/'''
        when name ~ '[\u0001-\u001f\u007f-\u009f]' then 'must not contain control characters or surrogates'
    end;
end
$$;
comment on function rowline.enqueue_name_fault(text, integer) is 'What keeps a name from naming a queue or a job; null if nothing does.';

create or replace function rowline.enqueue_escape_fault(written text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    bare text;
begin
    if strpos(written, '\u') = 0 then
        return null;
    end if;
    bare := replace(written, '\\', '');
    if bare ~ '\\u0000' then
        return 'must not contain \u0000';
    end if;
    bare := regexp_replace(bare, '\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}', ' ', 'g');
    if bare ~ '\\u[dD][89a-fA-F]' then
        return 'must not contain a lone surrogate';
    end if;
    return null;
end
$$;
comment on function rowline.enqueue_escape_fault(text) is 'An escape in JSON that stands for no character that can be stored; null if there is none.';

create or replace function rowline.enqueue_json_fault(written text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    bare text;
    depth integer := 0;
begin
    if length(written) < 258 then
        return null;
    end if;
    if written ~ '[0-9]{250}' then
        bare := regexp_replace(written, '"([^"\\]|\\.)*"', '""', 'g');
        if exists (
            select from regexp_matches(bare, '[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') as token (parts)
            where parts[1] ~ '^[0-9]+$' and length(parts[1]) > 1000
        ) then
            return 'must not contain an integer of more than 1000 digits';
        end if;
    end if;
    if length(written) - length(translate(written, '[{', '')) > 128 then
        bare := regexp_replace(regexp_replace(written, '"([^"\\]|\\.)*"', '', 'g'), '[^][{}]', '', 'g');
        while bare <> '' loop
            depth := depth + 1;
            if depth > 128 then
                return 'must not be nested deeper than 128';
            end if;
            bare := regexp_replace(bare, '\[\]|\{\}', '', 'g');
        end loop;
    end if;
    return null;
end
$$;
comment on function rowline.enqueue_json_fault(text) is 'What keeps JSON from being stored beside its escapes, as in app/domain/jsontext.py; null if nothing does.';

create or replace function rowline.enqueue_number(value json, out number double precision)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    written text := value::text;
begin
    number := written::double precision;
exception
    when numeric_value_out_of_range then
        number := case when written ~ '^\s*-?[0-9.]{1,250}[eE]-' then 0 else 'infinity'::double precision end;
end
$$;
comment on function rowline.enqueue_number(json) is 'A JSON number as a double: one that is too small is 0, one that is too large infinite.';

create or replace function rowline.enqueue_whole(value json, low bigint, high bigint, out number bigint, out fault text)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    written text := btrim(value::text, E' \t\r\n');
    read double precision;
begin
    if value is null or written = 'null' then
        return;
    end if;
    if json_typeof(value) <> 'number' then
        fault := 'must be an integer';
    elsif written ~ '^-?[0-9]+$' then
        if length(written) > 18 or written::bigint not between low and high then
            fault := format('must be between %s and %s', low, high);
        else
            number := written::bigint;
        end if;
    else
        read := rowline.enqueue_number(value);
        if read = 'infinity' or read <> trunc(read) then
            fault := 'must be an integer';
        elsif read not between low and high then
            fault := format('must be between %s and %s', low, high);
        else
            number := read::bigint;
        end if;
    end if;
end
$$;
comment on function rowline.enqueue_whole(json, bigint, bigint) is 'A whole number, written 5 or 5.0; null if it is absent.';

create or replace function rowline.enqueue_refuse(faults json[], code text) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    raise exception using
        errcode = code,
        message = btrim((faults[1] ->> 'path') || ' ' || (faults[1] ->> 'message')),
        detail = array_to_json(faults[1:100])::text;
end
$$;
comment on function rowline.enqueue_refuse(json[], text) is 'Raises the first fault; all of them, up to 100, are the detail.';

create or replace function rowline.enqueue_fault(path text, message text) returns json
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select json_build_object('path', path, 'message', message)
$$;
comment on function rowline.enqueue_fault(text, text) is 'One thing wrong: its place, and a predicate to it.';

create or replace function rowline.enqueue_twin(object json) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select key from json_object_keys(object) as key group by key having count(*) > 1 limit 1
$$;
comment on function rowline.enqueue_twin(json) is 'A name that stands twice in an object; null if none does.';

create or replace function rowline.enqueue_backoff(
    value json, path text,
    out kind text, out delay_ms bigint, out jitter real, out faults json[]
)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    whole record;
    read double precision;
begin
    faults := '{}';
    if value is null or json_typeof(value) = 'null' then
        return;
    elsif json_typeof(value) not in ('object', 'number') then
        faults := array[rowline.enqueue_fault(path, 'must be an object or a number of milliseconds')];
        return;
    elsif json_typeof(value) = 'number' then
        whole := rowline.enqueue_whole(value, 0, 316224000000);
        kind := 'fixed';
        if whole.fault is not null then
            faults := array[rowline.enqueue_fault(path, whole.fault)];
        end if;
    else
        kind := value ->> 'type';
        if value -> 'type' is null then
            faults := faults || rowline.enqueue_fault(path || '.type', 'is required');
        elsif json_typeof(value -> 'type') = 'null' then
            faults := faults || rowline.enqueue_fault(path || '.type', 'must not be null');
        elsif json_typeof(value -> 'type') <> 'string' then
            faults := faults || rowline.enqueue_fault(path || '.type', 'must be a string');
        elsif kind not in ('fixed', 'linear', 'exponential') then
            faults := faults || rowline.enqueue_fault(path || '.type', 'must be one of fixed, linear, exponential');
        end if;
        whole := rowline.enqueue_whole(value -> 'delay', 0, 316224000000);
        if whole.fault is not null then
            faults := faults || rowline.enqueue_fault(path || '.delay', whole.fault);
        end if;
        if json_typeof(value -> 'jitter') <> 'null' then
            if json_typeof(value -> 'jitter') <> 'number' then
                faults := faults || rowline.enqueue_fault(path || '.jitter', 'must be a number');
            else
                read := rowline.enqueue_number(value -> 'jitter');
                if read not between 0 and 1 then
                    faults := faults || rowline.enqueue_fault(path || '.jitter', 'must be between 0 and 1');
                else
                    jitter := round(read::numeric, 12)::real;
                end if;
            end if;
        end if;
        faults := faults || array(
            select rowline.enqueue_fault(path || '.' || key, 'is not known here')
            from json_object_keys(value) as key
            where key not in ('type', 'delay', 'jitter')
        );
    end if;
    delay_ms := coalesce(whole.number, 0);
    jitter := coalesce(jitter, 0);
end
$$;
comment on function rowline.enqueue_backoff(json, text) is 'What opts.backoff means, and what is wrong with it.';

create or replace function rowline.enqueue_opts(opts json, path text, inout job rowline.enqueue_job, out faults json[])
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    whole record;
    backoff record;
    option text;
    low bigint;
    high bigint;
    value json;
    message text;
begin
    faults := '{}';
    foreach option in array array[
        'attempts', 'backoff', 'delay', 'priority', 'lifo', 'jobId', 'deduplication', 'removeOnComplete',
        'removeOnFail', 'keepLogs', 'stackTraceLimit', 'timeout', 'parent', 'group'
    ] loop
        value := opts -> option;
        continue when value is null or json_typeof(value) = 'null';
        message := null;
        case
            when option = 'backoff' then
                backoff := rowline.enqueue_backoff(value, path || '.backoff');
                faults := faults || backoff.faults;
                job.backoff_type := backoff.kind;
                job.backoff_delay_ms := backoff.delay_ms;
                job.backoff_jitter := backoff.jitter;
            when option = 'lifo' then
                if json_typeof(value) <> 'boolean' then
                    message := 'must be true or false';
                else
                    job.lifo := value::text::boolean;
                end if;
            when option = 'jobId' then
                job.custom_id := nullif(opts ->> option, '');
                message := case
                    when json_typeof(value) <> 'string' then 'must be a string'
                    when job.custom_id ~ '^[0-9]+$'
                        then 'must not be made of digits alone (Custom Id cannot be integers)'
                    else rowline.enqueue_name_fault(job.custom_id, 255)
                end;
            when option in ('deduplication', 'removeOnComplete', 'removeOnFail', 'parent', 'group') then
                message := 'is an option that Rowline does not have yet';
            else
                low := case when option in ('priority', 'timeout') then 1 else 0 end;
                high := case option
                    when 'attempts' then 1000 when 'priority' then 2097152 when 'keepLogs' then 1000000
                    when 'stackTraceLimit' then 100 else 316224000000
                end;
                whole := rowline.enqueue_whole(value, low, high);
                message := whole.fault;
                case option
                    when 'attempts' then job.attempts := coalesce(nullif(whole.number, 0), 1);
                    when 'delay' then job.delay_ms := whole.number;
                    when 'priority' then job.priority := whole.number;
                    when 'keepLogs' then job.logs_kept := whole.number;
                    when 'stackTraceLimit' then job.stacks_kept := whole.number;
                    else job.timeout_ms := whole.number;
                end case;
        end case;
        if message is not null then
            faults := faults || rowline.enqueue_fault(path || '.' || option, message);
        end if;
    end loop;
    faults := faults || array(
        select
            rowline.enqueue_fault(
                path || '.' || case when length(key) > 100 then left(key, 100) || '…' else key end, 'is not known here'
            )
        from json_object_keys(opts) as key
        where key not in (
            'attempts', 'backoff', 'delay', 'priority', 'lifo', 'jobId', 'deduplication', 'removeOnComplete',
            'removeOnFail', 'keepLogs', 'stackTraceLimit', 'timeout', 'parent', 'group'
        )
    );
end
$$;
comment on function rowline.enqueue_opts(json, text, rowline.enqueue_job) is 'What opts mean, in the job, and what is wrong with them.';

create or replace function rowline.enqueue_limit(setting text, usual integer) returns integer
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    chosen text;
begin
    if current_setting(setting, true) is null then
        return usual;  -- sessions begin with what is set for the database, and cannot take it away
    end if;
    -- But they can change it, so only what is stored counts, and that for no role: a role may be its own master.
    select nullif(substr(entry, length(setting) + 2), '')
    into chosen
    from pg_db_role_setting cross join unnest(setconfig) as entry
    where setrole = 0 and starts_with(entry, setting || '=')
        and setdatabase in (0, (select oid from pg_database where datname = current_database()))
    order by setdatabase desc  -- the database's before that of all databases
    limit 1;
    if chosen !~ '^[1-9][0-9]{0,8}$' then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = format('%s is "%s" in the settings of the database, and must be a whole number', setting, chosen),
            hint = format('alter database %I set %s = %s', current_database(), setting, usual);
    end if;
    return coalesce(chosen::integer, usual);
end
$$;
comment on function rowline.enqueue_limit(text, integer) is
    'A limit as the owner of the database set it for the database, or a superuser for all; else the usual one.';

create or replace function rowline.enqueue_read(jobs json, paths text) returns rowline.enqueue_job[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    asked json[];
    found rowline.enqueue_job[] := '{}';
    job rowline.enqueue_job;
    faults json[] := '{}';
    too_large json[] := '{}';
    max_jobs integer := rowline.enqueue_limit('rowline.max_jobs', 10000);
    max_data integer := rowline.enqueue_limit('rowline.max_data_bytes', 1048576);
    each json;
    opts json;
    path text;
    dot text;
    fault text;
    read record;
begin
    fault := rowline.enqueue_escape_fault(jobs::text);
    if fault is not null then
        perform rowline.enqueue_refuse(array[rowline.enqueue_fault('jobs', fault)], '22023');
    end if;
    if jobs is null or json_typeof(jobs) <> 'array' then
        perform rowline.enqueue_refuse(array[rowline.enqueue_fault('jobs', 'must be a JSON array')], '22023');
    end if;
    asked := array(select value from json_array_elements(jobs) as value);
    if cardinality(asked) > max_jobs then
        perform rowline.enqueue_refuse(
            array[rowline.enqueue_fault('jobs', format('must hold at most %s jobs', max_jobs))], '54000'
        );
    end if;
    for nth in 1 .. cardinality(asked) loop
        each := asked[nth];
        path := format(paths, nth - 1);
        dot := case when path = '' then '' else path || '.' end;
        fault := case when json_typeof(each) <> 'object' then 'must be an object' end;
        if fault is not null then
            perform rowline.enqueue_refuse(array[rowline.enqueue_fault(path, fault)], '22023');
        end if;
        opts := case when json_typeof(each -> 'opts') = 'object' then each -> 'opts' end;
        for read in
            select dot || rowline.enqueue_twin(each) as place, 'is there twice' as message
            union all
            select dot || key, rowline.enqueue_json_fault(value::text) from json_each(each)
            union all
            select dot || 'opts.' || rowline.enqueue_twin(opts), 'is there twice' where opts is not null
            union all
            select dot || 'opts.' || rowline.enqueue_twin(opts -> 'backoff'), 'is there twice'
            where json_typeof(opts -> 'backoff') = 'object'
        loop
            if read.place is not null and read.message is not null then
                perform rowline.enqueue_refuse(array[rowline.enqueue_fault(read.place, read.message)], '22023');
            end if;
        end loop;
        job := row(
            null, each ->> 'name', btrim((each -> 'data')::text, E' \t\r\n'), '{}', 0, false, 0, 1,
            null, null, null, null, null, null
        );
        if octet_length(job.data) > max_data then
            too_large := too_large || rowline.enqueue_fault(dot || 'data', format('must be at most %s bytes', max_data));
        end if;
        fault := case
            when each -> 'name' is null then 'is required'
            when json_typeof(each -> 'name') <> 'string' then 'must be a string'
            when char_length(job.name) > 255
                then format('must be at most 255 characters, not %s', char_length(job.name))
            when job.name = '' then 'must not be empty'
        end;
        if fault is not null then
            faults := faults || rowline.enqueue_fault(dot || 'name', fault);
        end if;
        if job.data is null then
            faults := faults || rowline.enqueue_fault(dot || 'data', 'is required');
        end if;
        if opts is not null then
            job.opts := btrim(opts::text, E' \t\r\n');
            read := rowline.enqueue_opts(opts, dot || 'opts', job);
            job := read.job;
            faults := faults || read.faults;
        elsif json_typeof(each -> 'opts') <> 'null' then
            faults := faults || rowline.enqueue_fault(dot || 'opts', 'must be an object');
        end if;
        faults := faults || array(
            select
                rowline.enqueue_fault(
                    dot || case when length(key) > 100 then left(key, 100) || '…' else key end, 'is not known here'
                )
            from json_object_keys(each) as key
            where key not in ('name', 'data', 'opts')
        );
        found := found || job;
    end loop;
    if cardinality(too_large) > 0 then
        perform rowline.enqueue_refuse(too_large, '54000');
    elsif cardinality(faults) > 0 then
        perform rowline.enqueue_refuse(faults, '22023');
    end if;
    return found;
end
$$;
comment on function rowline.enqueue_read(json, text) is 'Jobs as POST would read them. Raises every fault; paths is what a job is called, such as jobs[%s].';

create or replace function rowline.enqueue_store(queue text, asked rowline.enqueue_job[], notify boolean)
returns setof rowline.enqueued
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    moment timestamptz := clock_timestamp();
    fault text := rowline.enqueue_name_fault(enqueue_store.queue, 100);
    added rowline.enqueued[];
begin
    if enqueue_store.queue is null or fault is not null then
        perform rowline.enqueue_refuse(
            array[rowline.enqueue_fault('queue name', coalesce(fault, 'must be a string'))], '22023'
        );
    end if;
    with new as materialized (
        select
            nextval('rowline.job_numbers') as number,
            job.*,
            moment + job.delay_ms * interval '1 millisecond' as run_at
        from unnest(asked) with ordinality as job (
            custom_id, name, data, opts, priority, lifo, delay_ms, attempts,
            backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept, logs_kept, nth
        )
    ),
    stored as (
        insert into rowline.jobs (
            queue, number, custom_id, name, data, opts, priority, lifo, delay_ms, run_at, added_at, attempts,
            backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept, logs_kept, status, place
        )
        select
            enqueue_store.queue, number, custom_id, name, data::json, opts::json, priority, lifo, delay_ms, run_at,
            moment, attempts, backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept, logs_kept,
            case when delay_ms > 0 then 'delayed' when priority > 0 then 'prioritized' else 'waiting' end,
            case when lifo then -1 else 1 end * ((extract(epoch from run_at) * 1000000)::bigint + nth - 1)
        from new
        order by custom_id collate "C" nulls first, nth
        on conflict (queue, custom_id) where custom_id is not null do nothing
        returning number, status
    )
    select array_agg(
        row(coalesce(new.custom_id, new.number::text), stored.number, stored.status, 'created')::rowline.enqueued
        order by new.nth
    )
    into added
    from new
    left join stored using (number);
    insert into rowline.job_deltas (queue, waiting, prioritized, delayed)
    select
        enqueue_store.queue,
        count(*) filter (where status = 'waiting'),
        count(*) filter (where status = 'prioritized'),
        count(*) filter (where status = 'delayed')
    from unnest(added)
    having count(number) > 0;
    if notify and exists (select from unnest(added) where number is not null) then
        perform pg_notify('rowline_' || left(encode(sha256(convert_to(enqueue_store.queue, 'UTF8')), 'hex'), 32), '');
    end if;
    return query
        select
            one.id,
            coalesce(one.number, job.number),
            coalesce(one.status, job.status),
            case when one.number is null then 'duplicate' else 'created' end
        from unnest(added) with ordinality as one (id, number, status, outcome, nth)
        left join rowline.jobs as job
            on one.number is null and job.queue = enqueue_store.queue and job.custom_id = one.id
        order by one.nth;
end
$$;
comment on function rowline.enqueue_store(text, rowline.enqueue_job[], boolean) is
    'Stores jobs that enqueue_read has read, with the rights of its owner.';

create or replace function rowline.enqueue_many(queue text, jobs json, notify boolean default false)
returns setof rowline.enqueued
language sql volatile security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select * from rowline.enqueue_store(queue, rowline.enqueue_read(jobs, 'jobs[%s]'), notify)
$$;
comment on function rowline.enqueue_many(text, json, boolean) is
    'Adds an array of jobs, as a POST does, in the transaction of the caller; rolled back, they never were.';

create or replace function rowline.enqueue(
    queue text, name text, data json, opts json default '{}', notify boolean default false
) returns rowline.enqueued
language sql volatile security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select * from rowline.enqueue_store(
        queue,
        rowline.enqueue_read(
            (
                '[{"name":' || coalesce(to_json(name)::text, 'null') || coalesce(',"data":' || data::text, '')
                || ',"opts":' || coalesce(opts::text, 'null') || '}]'
            )::json,
            ''
        ),
        notify
    )
$$;
comment on function rowline.enqueue(text, text, json, json, boolean) is
    'Adds a job, as a POST does, in the transaction of the caller; rolled back, it never was.';
