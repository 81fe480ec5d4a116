-- As in are_texts_2.sql, but by a loop: its query of the array took two thirds of the time, 5 us for each job with tags.

create or replace function rowline.are_texts_1(texts text[], most integer, longest integer) returns boolean
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
declare
    one text;
begin
    if not (array_ndims(texts) = 1 and array_lower(texts, 1) = 1 and cardinality(texts) between 1 and most) then
        return false;
    end if;
    foreach one in array texts loop
        if one is null or char_length(one) not between 1 and longest then
            return false;
        end if;
    end loop;
    return true;
end
$$;
