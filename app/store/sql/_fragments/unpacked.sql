-- What is in `packed.attempts`, one after the other: the token of an attempt, 16 bytes, and the number of its job, 8.
cross join lateral (
    select
        substr(packed.attempts, place, 24) as key,
        ('x' || encode(substr(packed.attempts, place + 16, 8), 'hex'))::bit(64)::bigint as number
    from generate_series(1, octet_length(packed.attempts), 24) as place
) as attempt
