-- What adds jobs in SQL, by the table rowline.job_options: a new option is a row there, and a column of rowline.jobs,
-- and no line here. A job is passed on as a row of rowline.jobs, so that no list of columns stands here either. The
-- functions that read one value are those of enqueue_2.sql, which says what holds for all; those that stand here too
-- are made anew here. What a session may set changes nothing of what is stored: the two functions that programs call set
-- what would.

create or replace function rowline.enqueue_escape_fault(written text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    bare text;
begin
    if strpos(written, '\u') = 0 then
        return null;
    end if;
    bare := replace(written, '\\', '  ');  -- blanks, lest what stands on both sides of one becomes a pair
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

create or replace function rowline.enqueue_number(value json, out number double precision)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    parts text[];
    power numeric;  -- of ten, of the first digit that is not 0
begin
    number := value::text::double precision;
exception
    when numeric_value_out_of_range then
        parts := regexp_match(value::text, '([0-9]+)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?');
        power := coalesce(parts[3], '0')::numeric + case
            when parts[1] = '0' then length(ltrim(parts[2], '0')) - length(parts[2]) - 1 else length(parts[1]) - 1
        end;
        number := case when power < 0 then 0 else 'infinity'::double precision end;
end
$$;
comment on function rowline.enqueue_number(json) is 'A JSON number as a double: one that is too small is 0, one that is too large infinite.';

create or replace function rowline.enqueue_texts_faults(value json, path text, option rowline.job_options) returns json[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if json_typeof(value) <> 'array' then
        return array[rowline.enqueue_fault(path, 'must be an array of strings')];
    elsif json_array_length(value) > option.high then
        return array[rowline.enqueue_fault(path, format('must hold at most %s strings', option.high))];
    end if;
    return array(
        select rowline.enqueue_fault(format('%s[%s]', path, nth - 1), message)
        from json_array_elements(value) with ordinality as element (one, nth)
        cross join lateral (
            select case
                when json_typeof(one) <> 'string' then 'must be a string'
                when one #>> '{}' = '' then 'must not be empty'
                when char_length(one #>> '{}') > option.longest
                    then format('must be at most %s characters, not %s', option.longest, char_length(one #>> '{}'))
            end
        ) as found (message)
        where message is not null
        order by nth
    );
end
$$;
comment on function rowline.enqueue_texts_faults(json, text, rowline.job_options) is
    'What is wrong with an option that is an array of texts.';

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

create or replace function rowline.enqueue_require_small(job json, path text, max_data integer) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    large record;
begin
    select member.key, bound.most
    into large
    from json_each(job) as member
    cross join lateral (
        select case member.key when 'data' then max_data when 'name' then 2097152 when 'opts' then 8192 else 1048576 end
    ) as bound (most)
    where octet_length(member.value::text) > bound.most
    limit 1;
    if large.key is not null then
        perform rowline.enqueue_refuse(
            array[
                rowline.enqueue_fault(
                    case when path = '' then '' else path || '.' end
                    || case when length(large.key) > 100 then left(large.key, 100) || '…' else large.key end,
                    format('must be at most %s bytes', large.most)
                )
            ],
            '54000'
        );
    elsif (select count(*) from json_object_keys(job)) > 100 then
        perform rowline.enqueue_refuse(array[rowline.enqueue_fault(path, 'has more than 100 members')], '22023');
    end if;
end
$$;
comment on function rowline.enqueue_require_small(json, text, integer) is
    'Raises what is too large in a job, before anything that costs more than reading it.';

create or replace function rowline.enqueue_rows(jobs json, paths text) returns rowline.jobs[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    asked json[];
    options rowline.job_options[];
    blank rowline.jobs;  -- as a job without options is; a column that is not named here is null
    found rowline.jobs[] := '{}';
    job rowline.jobs;
    faults json[] := '{}';
    max_jobs integer := rowline.enqueue_limit('rowline.max_jobs', 10000);
    max_data integer := rowline.enqueue_limit('rowline.max_data_bytes', 1048576);
    max_body integer := rowline.enqueue_limit('rowline.max_body_bytes', greatest(10485760, 2 * max_data));
    each json;
    opts json;
    path text;
    dot text;
    fault text;
    read record;
begin
    if octet_length(jobs::text) > max_body then  -- all that follows costs what the text is long
        perform rowline.enqueue_refuse(
            array[
                rowline.enqueue_fault(
                    case when paths = '' then 'job' else 'jobs' end, format('must be at most %s bytes', max_body)
                )
            ],
            '54000'
        );
    end if;
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
    blank.opts := '{}';
    blank.priority := 0;
    blank.lifo := false;
    blank.delay_ms := 0;
    blank.attempts := 1;
    blank.attempts_made := 0;
    blank.attempts_started := 0;
    blank.stalled_count := 0;
    blank.progress := '0';
    blank.stacktrace := '{}';
    for nth in 1 .. cardinality(asked) loop
        each := asked[nth];
        path := format(paths, nth - 1);
        dot := case when path = '' then '' else path || '.' end;
        fault := case when json_typeof(each) <> 'object' then 'must be an object' end;
        if fault is not null then
            perform rowline.enqueue_refuse(array[rowline.enqueue_fault(path, fault)], '22023');
        end if;
        if octet_length(each::text) > least(max_data, 500) then  -- a shorter one has neither fault
            perform rowline.enqueue_require_small(each, path, max_data);
        end if;
        opts := case when json_typeof(each -> 'opts') = 'object' then each -> 'opts' end;
        for read in
            select dot || rowline.enqueue_twin(each) as place, 'is there twice' as message
            union all
            select dot || key, rowline.enqueue_json_fault(value::text) from json_each(each)
            union all
            select dot || 'opts.' || rowline.enqueue_twin(opts), 'is there twice' where opts is not null
            union all  -- the planner calls what it can, whatever `where` says, but looks into no branch of a `case`
            select
                dot || 'opts.' || case
                    when json_typeof(opts -> 'backoff') = 'object' then rowline.enqueue_twin(opts -> 'backoff')
                end,
                'is there twice'
        loop
            if read.place is not null and read.message is not null then
                perform rowline.enqueue_refuse(array[rowline.enqueue_fault(read.place, read.message)], '22023');
            end if;
        end loop;
        job := blank;
        job.name := each ->> 'name';
        job.data := btrim((each -> 'data')::text, E' \t\r\n');
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
            options := coalesce(options, array(select one from rowline.job_options as one order by one.nth));
            read := rowline.enqueue_opts(opts, dot || 'opts', options);
            job := jsonb_populate_record(job, read.stored);
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
        exit when cardinality(faults) >= 100;  -- no more are told
        found := found || job;
    end loop;
    if cardinality(faults) > 0 then
        perform rowline.enqueue_refuse(faults, '22023');
    end if;
    return found;
end
$$;
comment on function rowline.enqueue_rows(json, text) is 'Jobs as POST would read them. Raises every fault; paths is what a job is called, such as jobs[%s].';

create or replace function rowline.enqueue_add(queue text, asked rowline.jobs[], notify boolean)
returns setof rowline.enqueued
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    moment timestamptz := clock_timestamp();
    fault text := rowline.enqueue_name_fault(enqueue_add.queue, 100);
    job rowline.jobs;
    added rowline.enqueued[];
begin
    if enqueue_add.queue is null or fault is not null then
        perform rowline.enqueue_refuse(
            array[rowline.enqueue_fault('queue name', coalesce(fault, 'must be a string'))], '22023'
        );
    end if;
    for nth in 1 .. cardinality(asked) loop
        job := asked[nth];
        job.queue := enqueue_add.queue;
        job.number := nextval('rowline.job_numbers');
        job.added_at := moment;
        job.run_at := moment + job.delay_ms * interval '1 millisecond';
        job.place := (extract(epoch from job.run_at) * 1000000)::bigint + nth - 1;
        if job.lifo then
            job.place := -job.place;
        end if;
        job.status := case when job.delay_ms > 0 then 'delayed' when job.priority > 0 then 'prioritized' else 'waiting' end;
        asked[nth] := job;
    end loop;
    with stored as (
        insert into rowline.jobs
        select one.* from unnest(asked) as one
        order by one.custom_id nulls first, one.number
        on conflict (queue, custom_id) where custom_id is not null do nothing
        returning number, status
    )
    select array_agg(
        row(coalesce(one.custom_id, one.number::text), stored.number, stored.status, 'created')::rowline.enqueued
        order by one.number
    )
    into added
    from unnest(asked) as one
    left join stored using (number);
    insert into rowline.job_deltas (queue, waiting, prioritized, delayed)
    select
        enqueue_add.queue,
        count(*) filter (where status = 'waiting'),
        count(*) filter (where status = 'prioritized'),
        count(*) filter (where status = 'delayed')
    from unnest(added)
    having count(number) > 0;
    if notify and exists (select from unnest(added) where number is not null) then
        perform pg_notify('rowline_' || left(encode(sha256(convert_to(enqueue_add.queue, 'UTF8')), 'hex'), 32), '');
    end if;
    return query
        select
            one.id,
            coalesce(one.number, job.number),
            coalesce(one.status, job.status),
            case when one.number is null then 'duplicate' else 'created' end
        from unnest(added) with ordinality as one (id, number, status, outcome, nth)
        left join rowline.jobs as job
            on one.number is null and job.queue = enqueue_add.queue and job.custom_id = one.id
        order by one.nth;
end
$$;
comment on function rowline.enqueue_add(text, rowline.jobs[], boolean) is
    'Stores jobs that enqueue_rows has read, with the rights of its owner.';

create or replace function rowline.enqueue_many(queue text, jobs json, notify boolean default false)
returns setof rowline.enqueued
language sql volatile security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set extra_float_digits = 1 as $$
    select * from rowline.enqueue_add(queue, rowline.enqueue_rows(jobs, 'jobs[%s]'), notify)
$$;
comment on function rowline.enqueue_many(text, json, boolean) is
    'Adds an array of jobs, as a POST does, in the transaction of the caller; rolled back, they never were.';

create or replace function rowline.enqueue(
    queue text, name text, data json, opts json default '{}', notify boolean default false
) returns rowline.enqueued
language sql volatile security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set extra_float_digits = 1 as $$
    select * from rowline.enqueue_add(
        queue,
        rowline.enqueue_rows(
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
