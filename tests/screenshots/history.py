"""What happened in the shop before the moment of the pictures: times are moved to where they are believable.

What is drawn by lot comes from digests of names, so that each run draws the same.
"""

from app.domain import tokens
from app.domain.durations import BUCKETS
from tests.screenshots.shop import FAILURES, Shop
from tests.support import databases

TOKEN_IDS = {
    "ada": "Ada8Lk2x",
    "grace": "Gr4ce7Qm",
    "grafana": "gF3n9TzB",
    "mail-workers": "mW5rK1pY",
    "old-importer": "0ldImp7r",
    "storefront": "St0reFr0",
}
"""The ids of tokens, which the service draws."""
RATES = {
    "orders": (22, 8, 10),
    "emails": (64, 9, 9),
    "payments": (21, 9, 13),
    "images": (9, 12, 12),
    "search-index": (14, 7, 8),
    "inventory": (0.3, 7, 15),
    "erp": (5, 11, 10),
    "newsletter": (0.1, 9, 9),
}
"""Of each queue: jobs a minute at noon, and the buckets in which most of them wait and run."""
LOT = "('x' || substr(md5({text}), 1, 7))::bit(28)::integer / 268435456.0"
"""A number from 0 to 1 for a text."""
_ID = LOT.format(text="custom_id || queue")
_OTHER = LOT.format(text="queue || custom_id || 'x'")
JOBS = f"""
create temporary table spread as
select queue, number, status, {_ID} as lot, {_OTHER} as other,
    row_number() over (partition by queue, status order by number desc) as nth,
    row_number() over (newest) / count(*) over (partition by queue, finished_at is null)::float as back
from rowline.jobs
window newest as (partition by queue, finished_at is null order by number desc);
update rowline.jobs as job
set finished_at = now() - made.ago, processed_at = now() - made.ago - made.ran,
    added_at = now() - made.ago - made.ran * (1.1 * attempts_made - 0.1) - spread.other * interval '4 seconds'
from spread, lateral (select
    (18000 * spread.back ^ 1.5 + 2) * interval '1 second' as ago,
    (case spread.queue when 'payments' then 1.4 when 'images' then 6.0 else 0.3 end + spread.other)
    * case spread.status when 'failed' then 20 else 1 end * interval '1 second' as ran
) as made
where (job.queue, job.number) = (spread.queue, spread.number) and job.status in ('completed', 'failed');
update rowline.jobs as job
set processed_at = now() - (3 + 90 * spread.lot ^ 2) * interval '1 second',
    added_at = now() - (5 + 90 * spread.lot ^ 2) * interval '1 second',
    leased_until = now() + (12 + 17 * spread.other) * interval '1 second'
from spread
where (job.queue, job.number) = (spread.queue, spread.number) and job.status = 'active';
update rowline.jobs as job
set added_at = now() - made.ago, run_at = now() - made.ago,
    place = extract(epoch from now() - made.ago) * 1000000
from spread, lateral (select
    spread.nth
    * case spread.queue when 'emails' then 0.31 when 'newsletter' then 0.4 when 'exports' then 420 when 'erp' then 20
        else 2.2 end
    * interval '1 second' as ago
) as made
where (job.queue, job.number) = (spread.queue, spread.number) and job.status in ('waiting', 'prioritized');
update rowline.jobs as job
set run_at = now() + (0.9 - made.gone) * delay_ms * interval '1 ms',
    added_at = now() - (0.1 + made.gone) * delay_ms * interval '1 ms'
from spread, lateral (select 0.8 * spread.back as gone) as made
where (job.queue, job.number) = (spread.queue, spread.number) and job.status = 'delayed';
update rowline.attempts as one
set ended_at = job.finished_at - (job.attempts_made - one.nth) * (job.finished_at - job.processed_at) * 1.1,
    started_at = job.finished_at - (job.attempts_made - one.nth) * (job.finished_at - job.processed_at) * 1.1
        - (job.finished_at - job.processed_at)
from rowline.jobs as job
where (job.queue, job.number) = (one.queue, one.number) and job.finished_at is not null
"""
REST = """
update rowline.queue_settings set paused_at = now() - interval '23 minutes' where paused_at is not null;
update rowline.endpoints
set registered_at = now() - interval '38 days', switched_off_at = now() - interval '4 minutes 10 seconds',
    switched_off_reason = 'the endpoint answered 410 Gone'
where queue = 'erp';
insert into rowline.audit (actor, action, queue, after)
values ('dispatcher', 'workers.switch_off', 'erp', '{"reason": "the endpoint answered 410 Gone"}');
update rowline.audit
set at = now() - ((select max(number) + 1 from rowline.audit) - number) * interval '4 minutes 10 seconds';
update rowline.endpoints set registered_at = now() - interval '38 days';
update rowline.schedules set created_at = now() - interval '19 days';
update rowline.schedules set paused_at = now() - interval '3 hours' where paused_at is not null;
update rowline.schedules
set next_at = floor(extract(epoch from now()) / 300 + 1) * 300000, ticks = 5472, skipped = 3
where id = 'stock-sync';
update rowline.jobs as job
set custom_id = 'repeat:stock-sync:' || floor(extract(epoch from at) * 1000)::bigint, added_at = at,
    processed_at = at + interval '0.3 s', finished_at = at + (2 + nth % 3) * interval '1.1 s'
from (select number, row_number() over (order by number desc) as nth from rowline.jobs
    where queue = 'inventory' and status = 'completed') as listed,
    lateral (select date_bin('5 minutes', now(), 'epoch') - (nth - 1) * interval '5 minutes' as at) as tick
where job.queue = 'inventory' and job.number = listed.number;
update rowline.schedules
set (last_job_id, last_tick_at) = (select max(custom_id), max(split_part(custom_id, ':', 3))::bigint
    from rowline.jobs where queue = 'inventory' and custom_id like 'repeat:stock-sync:%')
where id = 'stock-sync';
with tick (id, at, ticks) as (values
    ('nightly-report', date_trunc('day', now()) + interval '1 h 30 min', 19),
    ('price-import', date_trunc('day', now()) + interval '5 h', 15)
)
update rowline.schedules
set ticks = tick.ticks, last_tick_at = extract(epoch from tick.at)::bigint * 1000,
    last_job_id = 'repeat:' || tick.id || ':' || extract(epoch from tick.at)::bigint * 1000
from tick where tick.id = schedules.id;
update rowline.plans
set created_at = now() - made.ago, planned_at = now() - made.ago,
    applied_at = case when applied_at is not null then now() - interval '1 second' end
from (values ('retry', interval '2 minutes'), ('remove', interval '12 seconds')) as made (action, ago)
where made.action = plans.action;
update rowline.tokens as token
set created_at = now() - (nth * 9 + 4) * interval '1 day', revoked_at = case when revoked_at is null then null
    else now() - interval '2 days' end
from (select id, row_number() over (order by name desc) as nth from rowline.tokens) as listed
where listed.id = token.id;
"""
ORDER = """
update rowline.jobs as job
set added_at = least(added_at, until)
from (select queue, number, min(added_at) over (partition by queue order by number desc) as until from rowline.jobs)
    as newer
where (job.queue, job.number) = (newer.queue, newer.number)
"""
"""No job was added behind one with a higher number."""
AUDIT = """
create temporary table noted as
select coalesce(case action
    when 'tokens.create' then token.created_at when 'tokens.revoke' then token.revoked_at
    when 'tokens.rotate' then now() - interval '3 days'
    when 'schedules.create' then schedule.created_at when 'schedules.pause' then schedule.paused_at
    when 'workers.register' then endpoint.registered_at when 'workers.switch_off' then endpoint.switched_off_at
    when 'queues.pause' then settings.paused_at
    else case when action like 'db.%' then audit.at - interval '90 days' end
end, audit.at) as at, number, actor, actor_name, address, request_id, action, audit.queue, target, affected, before,
    after
from rowline.audit as audit
left join rowline.tokens as token on token.id = audit.target
left join rowline.schedules as schedule on (schedule.queue, schedule.id) = (audit.queue, audit.target)
left join rowline.endpoints as endpoint on endpoint.queue = audit.queue
left join rowline.queue_settings as settings on settings.queue = audit.queue and settings.paused_at is not null
where action not like 'plans.%'
union all
select case audit.action when 'plans.apply' then plan.applied_at else plan.created_at end, number, actor, actor_name,
    address, request_id, audit.action, audit.queue, target, affected, before, after
from rowline.audit as audit join rowline.plans as plan on plan.id::text = audit.target
where audit.action like 'plans.%';
delete from rowline.audit;
insert into rowline.audit (at, actor, actor_name, address, request_id, action, queue, target, affected, before, after)
select at, actor, actor_name, address, request_id, action, queue, target, affected, before, after
from noted order by at, number;
"""
"""The audit: each act when the rest says that it was done, the rows in this order."""
WORKERS = """
delete from rowline.queue_workers;
insert into rowline.queue_workers (queue, worker, process, way, slots, busy, seen_at)
select queue, queue || '-worker:' || nth, gen_random_uuid(), way, slots, least(slots, busy),
    now() - nth * interval '2 s'
from (values ('orders', 2, 'python', 4, 2), ('emails', 3, 'pull', 4, 1), ('images', 2, 'python', 4, 3),
    ('payments', 1, 'push', 10, 2), ('search-index', 1, 'python', 2, 1), ('inventory', 1, 'python', 2, 1),
    ('invoices', 1, 'python', 2, 0)) as known (queue, workers, way, slots, busy),
    generate_series(1, workers) as nth
"""
SERIES = f"""
insert into rowline.job_{{step}}s (
    {{step}}, queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
)
select at, queue, jobs, jobs, done - bad, bad, bad * 2, 0, rowline_spread({{waits}}, jobs), jobs * 0.2,
    rowline_spread({{runs}}, done), done * 0.4
from (
    select at, '{{queue}}' as queue, jobs, least(bad, jobs) as bad,
        case when '{{queue}}' = 'emails' and '{{step}}' = 'minute' and ago between 14 and 17 then 0
            when '{{queue}}' = 'emails' and '{{step}}' = 'minute' and ago between 9 and 13 then jobs * 8 / 5
            when '{{queue}}' = 'newsletter' then 0
            when '{{queue}}' = 'erp' and '{{step}}' = 'minute' and ago <= 4 then 0
            else jobs end as done
    from generate_series({{first}}, {{last}}) as ago
    cross join lateral (select date_trunc('{{step}}', now()) - ago * interval '1 {{step}}' as at) as period
    cross join lateral (
        select {{rate}} * {{each}} * (0.75 + 0.5 * {LOT.format(text="'{queue}' || at")})
            * (0.45 + 0.55 * sin(pi() * (extract(hour from at) + extract(minute from at) / 60 - 5) / 19) ^ 2) as mean
    ) as shape
    cross join lateral (
        select round(mean)::bigint as jobs,
            (case when {LOT.format(text="at || '{queue}'")} > {{good}} then 1 + mean / 25 else 0 end)::bigint as bad
    ) as drawn
) as told
where jobs > 0
on conflict do nothing
"""
SPREAD = f"""
create function rowline_spread(bucket integer, jobs bigint) returns bigint[] language sql immutable as $$
    select array_agg((jobs * case nth - bucket when -1 then 0.22 when 0 then 0.55 when 1 then 0.17 when 2 then 0.05
        when 3 then 0.01 else 0 end)::bigint order by nth)
    from generate_series(1, {BUCKETS}) as nth
$$
"""
RENAME = """
update rowline.tokens set id = '{new}' where id = '{old}';
update rowline.audit set actor = 'token:{new}' where actor = 'token:{old}';
update rowline.audit set target = '{new}' where target = '{old}';
update rowline.queue_settings set paused_by = 'token:{new}' where paused_by = 'token:{old}';
update rowline.plans set created_by = 'token:{new}' where created_by = 'token:{old}'
"""
STEPS = {"minute": (1, 0, 24 * 60, 0.93), "hour": (60, 25, 24 * 14, 0.3), "day": (1_440, 15, 40, 0.0)}
"""Of each step: how many minutes, from how many steps ago until how many, and in what share of them nothing fails."""


def write(url: str, shop: Shop) -> str:
    """Move all times, and write down what happened before; return the secret of Ada's token."""
    for statements in (JOBS, REST, ORDER, AUDIT, WORKERS, "delete from rowline.job_minutes", SPREAD):
        databases.run(url, statements)
    for queue, (rate, waits, runs) in RATES.items():
        for step, (each, first, last, good) in STEPS.items():
            values = {"queue": queue, "rate": rate, "waits": waits, "runs": runs, "step": step, "each": each}
            share = good if queue in FAILURES else 2.0  # more than any lot
            databases.run(url, SERIES.format(**values, first=first, last=last, good=share))
    databases.run(url, "drop function rowline_spread")
    return _name_tokens(url, shop)


def _name_tokens(url: str, shop: Shop) -> str:
    """Give the tokens the ids that they have in each run."""
    for name, new in TOKEN_IDS.items():
        databases.run(url, RENAME.format(old=shop.ids[name], new=new))
    secret = tokens.another(TOKEN_IDS["ada"])
    digest = tokens.digest(secret.encode()).hex()
    databases.run(url, f"update rowline.tokens set digest = '\\x{digest}' where id = '{TOKEN_IDS['ada']}'")
    return secret
