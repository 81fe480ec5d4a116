-- What stores jobs that are added in SQL, and tells which, for the streams of events: as in enqueue_7.sql, but for that.
-- What the terms of a job are stands in app/store/sql/_fragments/terms.sql too.

create or replace function rowline.enqueue_add(queue text, asked rowline.jobs[], notify boolean)
returns setof rowline.enqueued
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    moment timestamptz := clock_timestamp();
    fault text := rowline.enqueue_name_fault(enqueue_add.queue, 100);
    job rowline.jobs;
    added rowline.enqueued[];
    within_ms bigint;
    defaults jsonb;
    paths text[];
    options rowline.job_options[];
    read record;
begin
    if enqueue_add.queue is null or fault is not null then
        perform rowline.enqueue_refuse(
            array[rowline.enqueue_fault('queue name', coalesce(fault, 'must be a string'))], '22023'
        );
    end if;
    select setting.start_within_ms, setting.applied_defaults, setting.keys into within_ms, defaults, paths
    from rowline.queue_settings as setting
    where setting.queue = enqueue_add.queue;
    if defaults is not null then
        options := array(select one from rowline.job_options as one order by one.nth);
    end if;
    for nth in 1 .. cardinality(asked) loop
        job := asked[nth];
        if defaults is not null then
            job.effective := nullif(
                defaults - array(
                    select sent.key from json_each(job.opts) as sent where json_typeof(sent.value) <> 'null'
                ),
                '{}'
            );
            if job.effective is not null then
                read := rowline.enqueue_opts(job.effective, '', options);
                job := jsonb_populate_record(job, read.stored);
            end if;
        end if;
        job.queue := enqueue_add.queue;
        job.number := nextval('rowline.job_numbers');
        job.added_at := moment;
        job.run_at := moment + job.delay_ms * interval '1 millisecond';
        job.place := (extract(epoch from job.run_at) * 1000000)::bigint + nth - 1;
        if job.lifo then
            job.place := -job.place;
        end if;
        job.status := case when job.delay_ms > 0 then 'delayed' when job.priority > 0 then 'prioritized' else 'waiting' end;
        if job.delay_ms = 0 then
            job.start_by := least(job.start_by, floor(extract(epoch from moment) * 1000)::bigint + within_ms);
        end if;
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
    if paths is not null or exists (select from unnest(asked) as one where one.tags is not null) then
        insert into rowline.terms (queue, term, number)
        select distinct enqueue_add.queue, found.term, one.number
        from unnest(asked) as one
        join unnest(added) as stored (id, number, status, outcome) on stored.number = one.number
        cross join lateral (
            select 'tag:' || tag.word as term from unnest(one.tags) as tag (word)
            union all
            select
                'key:' || length(key.path) || ':' || key.path
                || case
                    when length(there.value) > 200 then '#' || encode(sha256(convert_to(there.value, 'UTF8')), 'hex')
                    else '=' || there.value
                end
            from unnest(paths) as key (path)
            cross join lateral (
                select one.data #> string_to_array(key.path, '.') as json offset 0  -- parsed once
            ) as place
            cross join lateral (
                select coalesce(place.json #>> '{}', case when place.json is not null then 'null' end) as value
            ) as there
            where there.value is not null
        ) as found;
    end if;
    insert into rowline.job_deltas (queue, verb, numbers, at, waiting, prioritized, delayed)
    select
        enqueue_add.queue,
        'insert',
        array_agg(number) filter (where number is not null),
        clock_timestamp(),
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
