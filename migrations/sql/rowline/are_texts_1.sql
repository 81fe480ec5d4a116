-- What is true of an option that is a list of texts, for a CHECK of its column. It is not asked of a job without one.

create or replace function rowline.are_texts_1(texts text[], most integer, longest integer) returns boolean
language sql immutable strict parallel safe
return array_ndims(texts) = 1 and array_lower(texts, 1) = 1 and cardinality(texts) between 1 and most
    and not exists (
        select from unnest(texts) as one (text)
        where one.text is null or char_length(one.text) not between 1 and longest
    );
comment on function rowline.are_texts_1 is 'Whether these are 1 to so many texts of 1 to so many characters.';
