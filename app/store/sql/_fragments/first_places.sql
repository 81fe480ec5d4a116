-- The places of the first jobs of the priority of `line` in its queue: of those that are not lifo, and of those that are. A
-- place is when a job became ready, in microseconds; negative for lifo.
(select place from rowline.jobs
where queue = line.queue and '' || status in ('waiting', 'prioritized')
    and priority = line.priority and place >= 0
order by priority, place
limit 1)
union all
(select - place from rowline.jobs
where queue = line.queue and '' || status in ('waiting', 'prioritized')
    and priority = line.priority and place < 0
order by priority desc, place desc
limit 1)
