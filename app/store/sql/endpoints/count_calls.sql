-- Counts :calls in the window of the endpoint of :queue; begins a new window when the last is over.
-- The row is locked by take_turn. Index: endpoints_pkey.
update rowline.endpoints
set window_count = :calls + case
        when window_started_at + limiter_ms * interval '1 millisecond' > statement_timestamp() then window_count
        else 0
    end,
    window_started_at = case
        when window_started_at + limiter_ms * interval '1 millisecond' > statement_timestamp() then window_started_at
        else statement_timestamp()
    end
where queue = :queue
returning window_count
