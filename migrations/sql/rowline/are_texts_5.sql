-- As in are_texts_4.sql, but not called for a job without tags, as most are: PostgreSQL does not put it in the place of its
-- call, as array_to_string is not immutable, and each call took 2.5 of the 12 us of a job that is added by a thousand.
alter function rowline.are_texts_1(texts text[], most integer, longest integer) strict;
