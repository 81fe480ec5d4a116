-- The data of the jobs of `schedule`, null if they are longer than :max_bytes bytes, and how long they are.
cross join lateral (
    select
        case when octet_length(schedule.data::text) <= :max_bytes::bigint then schedule.data end as data,
        octet_length(schedule.data::text) as bytes
) as shown
