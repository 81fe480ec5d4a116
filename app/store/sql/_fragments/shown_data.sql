-- The data of the jobs of `schedule`, null if they are longer than :max_bytes bytes, if that is not null.
case when (schedule.data_bytes <= :max_bytes::bigint) is not false then schedule.data end as data
