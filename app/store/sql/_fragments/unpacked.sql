-- What is in `packed.attempts`, one after the other: the token of an attempt, 16 bytes, and the number of its job, 8. Not
-- merged into the query around it, which would carry the whole through its sort once for each attempt. What is stored apart
-- from its row is to be read before (`|| ''::bytea`), and not once for each.
cross join lateral (
    select substr(packed.attempts, place, 24) as key
    from generate_series(1, octet_length(packed.attempts), 24) as place
    offset 0
) as unpacked
cross join lateral (
    select unpacked.key, ('x' || encode(substr(unpacked.key, 17, 8), 'hex'))::bit(64)::bigint as number
) as attempt
