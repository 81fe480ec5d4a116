-- The example queries of reports.md, which `make docs` generates from this file. A test runs every one of them.

-- What is the state of every queue now?
select queue, waiting, prioritized, delayed, active, completed, failed, oldest_ready_s, next_due_at
from report.queues
order by waiting + prioritized desc;

-- How long would the backlog take?
select queue, waiting + prioritized as ready, finished_5m, make_interval(secs => drain_s) as would_take
from report.queues
where waiting + prioritized > 0
order by drain_s desc nulls first;

-- How many jobs a second come and go, over the last five minutes?
select queue, round(added_5m / 300.0, 2) as added, round(completed_5m / 300.0, 2) as completed, round(failed_5m / 300.0, 2) as failed
from report.queues
order by queue;

-- In which minutes of the last two days were most jobs added?
select from_at, sum(added) as added, sum(completed) as completed, sum(failed) as failed
from report.minutes
group by from_at
order by added desc
limit 10;

-- What needs attention now?
select problem, queue, jobs, since_at, hint from report.attention order by since_at;

-- What is running now, since when, and on which worker?
select queue, id, name, worker, started_at, run_s from report.jobs where status = 'active' order by started_at;

-- Who works now, with jobs or without, on which queue, and how busy is each?
select queue, worker, way, slots, busy, seen_at
from report.queue_workers
order by queue, worker;

-- Which workers had jobs in the last hour, and how busy were they?
select worker, queues, active, completed_1h, failed_1h, stalled_1h, round((run_1h_s / 3600)::numeric, 2) as busy
from report.workers
order by worker;

-- How many jobs finished per hour today?
select from_at, sum(completed) as completed, sum(failed) as failed
from report.throughput
where per = 'hour' and from_at >= date_trunc('day', now())
group by from_at
order by from_at;

-- How did the last seven days go, day by day and queue by queue?
select from_at::date as day, queue, completed, failed, round(100.0 * failed / finished, 2) as failed_percent
from report.throughput
where per = 'day' and from_at >= date_trunc('day', now()) - interval '6 days'
order by day, queue;

-- When was the busiest minute of the last day?
select from_at, sum(finished) as finished
from report.throughput
where per = 'minute'
group by from_at
order by finished desc
limit 1;

-- Are more jobs added than finished?
select coalesce(came.from_at, gone.from_at) as from_at, queue, coalesce(came.added, 0) as added, coalesce(gone.finished, 0) as finished
from (select * from report.arrivals where from_at >= now() - interval '1 day') as came
full join (select * from report.throughput where per = 'hour' and from_at >= now() - interval '1 day') as gone
    using (from_at, queue)
order by from_at, queue;

-- How long do jobs wait and run, and was it better yesterday?
select queue, from_at::date as day, jobs, wait_p50_s, wait_p95_s, wait_p99_s, run_p50_s, run_p95_s, run_p99_s
from report.latency
where per = 'day' and from_at >= date_trunc('day', now()) - interval '1 day'
order by queue, day;

-- In which minutes of the last hour did jobs wait longer than five seconds?
select from_at, queue, jobs, wait_p95_s
from report.latency
where per = 'minute' and from_at >= now() - interval '1 hour' and wait_p95_s > 5
order by from_at;

-- How many jobs came and went in each hour of the last day, over all queues, and how long did they wait?
select from_at, sum(added) as added, sum(completed) as completed, sum(failed) as failed, report.percentiles(report.sum_counts(waits), array[0.5, 0.95]) as wait_s
from report.series
where per = 'hour' and from_at >= now() - interval '1 day'
group by from_at
order by from_at;

-- What fails most this week?
select queue, name, fingerprint, sum(failures) as failures, sum(jobs_lost) as jobs_lost, max(last_at) as last_at, max(reason) as reason
from report.failures
where from_at >= date_trunc('day', now()) - interval '6 days'
group by queue, name, fingerprint
order by failures desc;

-- Which faults do the jobs have that are failed now?
select queue, fingerprint, jobs, first_at, last_at, reason
from report.failure_groups
order by jobs desc;

-- Which failures are new today?
select queue, name, fingerprint, failures, first_at, reason
from report.failures as today
where from_at >= date_trunc('day', now())
    and not exists (
        select from report.failures as before
        where before.fingerprint = today.fingerprint and before.queue = today.queue
            and before.from_at >= date_trunc('day', now()) - interval '14 days'
            and before.from_at < date_trunc('day', now())
    )
order by failures desc;

-- Which jobs had the same failure as this one?
select queue, id, name, finished_at, reason
from report.jobs
where status = 'failed' and finished_at >= now() - interval '7 days'
    and report.fingerprint(reason, stacks[cardinality(stacks)])
        = (select report.fingerprint(reason, stacks[cardinality(stacks)]) from report.jobs where queue = 'mail' and custom_id = 'letter-1')
order by finished_at desc;

-- Which customer's jobs failed most this week?
select data ->> 'customer' as customer, count(*) as failed
from report.jobs
where status = 'failed' and finished_at >= now() - interval '7 days'
group by customer
order by failed desc
limit 10;

-- What did the jobs of one customer return today?
select id, name, finished_at, result ->> 'status' as status
from report.jobs
where queue = 'mail' and finished_at >= date_trunc('day', now()) and data ->> 'customer' = 'ada'
order by finished_at;

-- What ran during a deployment?
with deploy as (select now() - interval '30 minutes' as began_at, now() - interval '10 minutes' as ended_at)
select attempt.queue, attempt.id, attempt.name, attempt.outcome, attempt.worker, attempt.started_at, attempt.ended_at
from deploy
cross join lateral (
    select * from report.attempts where until_at >= deploy.began_at and started_at <= deploy.ended_at
) as attempt
order by attempt.started_at;

-- What happened to one job, attempt by attempt?
select nth, outcome, worker, started_at, ended_at, run_s, reason
from report.attempts
where queue = 'mail' and number = (select number from report.jobs where queue = 'mail' and custom_id = 'letter-1')
order by nth;

-- What did that job log?
select logged_at, line
from report.logs
where queue = 'mail' and number = (select number from report.jobs where queue = 'mail' and custom_id = 'letter-1')
order by line_number;

-- Which jobs of the last hour took longest?
select queue, id, name, worker, run_s, finished_at
from report.jobs
where finished_at >= now() - interval '1 hour'
order by run_s desc nulls last
limit 10;

-- Which kinds of jobs need more than one attempt?
select queue, name, count(*) as jobs, count(*) filter (where attempts_made > 1) as tried_again, max(attempts_made) as most
from report.jobs
where finished_at >= now() - interval '1 day'
group by queue, name
order by tried_again desc;

-- What will happen in the next hour?
select date_trunc('minute', due_at) as minute, queue, name, count(*) as jobs
from report.jobs
where status = 'delayed' and due_at < now() + interval '1 hour'
group by 1, 2, 3
order by 1;

-- Which endpoints are paused or switched off?
select queue, host, paused_until, switched_off_at, switched_off_reason
from report.endpoints
where paused_until > now() or switched_off_at is not null;

-- What is kept, since when, and how much space does it take?
select kept.queue, kept.status, kept.jobs, kept.oldest_finished_at, pg_size_pretty(jobs.table_bytes + jobs.index_bytes) as of_all
from report.retention as kept
cross join report.storage as jobs
where jobs."table" = 'jobs'
order by kept.jobs desc;
