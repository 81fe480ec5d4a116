-- Returns the plans of all queues that go on by themselves, and in how many seconds the next step of each is due. Index:
-- plans_unfinished.
select
    queue, id, status, is_direct, rate_per_s, applied_at,
    coalesce(greatest(extract(epoch from next_at - statement_timestamp()), 0), 0)::double precision as wait_s
from rowline.plans
where status in ('planning', 'queued', 'applying', 'undoing')
order by queue, id
