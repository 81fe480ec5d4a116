-- As in are_texts_1.sql, but PL/pgSQL: PostgreSQL inlines an SQL function into the CHECK that calls it, and plans its subquery
-- anew for each statement that writes a job, with such an option or without: 15 us, a sixth of what one job costs. A strict
-- function of PL/pgSQL costs nothing where the option is null.

create or replace function rowline.are_texts_1(texts text[], most integer, longest integer) returns boolean
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
begin
    return array_ndims(texts) = 1 and array_lower(texts, 1) = 1 and cardinality(texts) between 1 and most
        and not exists (
            select from unnest(texts) as one (text)
            where one.text is null or char_length(one.text) not between 1 and longest
        );
end
$$;
