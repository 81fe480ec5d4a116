-- Locks the endpoint of :queue for a claim, unless another dispatcher has it, and says what its limits leave.
-- Its window is over when it began longer ago than limiter_ms. Index: endpoints_pkey.
select
    concurrency,
    case
        when limiter_max is null then null
        when window_started_at + limiter_ms * interval '1 millisecond' > statement_timestamp()
            then greatest(0, limiter_max - window_count)
        else limiter_max
    end as window_left,
    ceil(extract(epoch from
        window_started_at + limiter_ms * interval '1 millisecond' - statement_timestamp()
    ) * 1000)::bigint as window_ms,
    ceil(extract(epoch from paused_until - statement_timestamp()) * 1000)::bigint as paused_ms
from rowline.endpoints
where queue = :queue and revision = :revision::uuid and switched_off_at is null
for update skip locked
