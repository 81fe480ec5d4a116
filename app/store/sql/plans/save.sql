-- Stores how far a plan is; what ends it is what :has_ended says. By its rate the next step is due in :pause_ms. The caller has
-- locked its row. Index: plans_pkey.
with clock as (
    select
        statement_timestamp() as moment,
        case
            when :pause_ms::double precision > 0
                then statement_timestamp() + :pause_ms::double precision * interval '1 millisecond'
        end as later
)
update rowline.plans as plan
set status = :status,
    at = :at::bigint,
    matched = :matched::bigint,
    rate_per_s = :rate_per_s::double precision,
    done = :done::bigint,
    skipped = :skipped::json,
    undone = :undone::bigint,
    not_undone = :not_undone::bigint,
    reason = :reason,
    next_at = clock.later,
    planned_at = case when :status = 'planned' then coalesce(plan.planned_at, clock.moment) else plan.planned_at end,
    applied_at = case when :status in ('queued', 'applying') then coalesce(plan.applied_at, clock.moment) else plan.applied_at end,
    ended_at = case when :has_ended::boolean then clock.moment end
from clock
where plan.queue = :queue and plan.id = :id::uuid
returning
    :_plan
