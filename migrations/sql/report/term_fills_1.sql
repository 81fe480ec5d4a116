create view report.term_fills as
select
    nullif(queue, '') as queue,
    nullif(path, '') as key,
    status,
    is_wanted,
    looked_at,
    waiting_since
from rowline.term_fills;
comment on view report.term_fills is 'What jobs are found by at once: one row a key of a queue, and one for the tags of all queues.';
comment on column report.term_fills.queue is 'text: the queue; null: all, of tags';
comment on column report.term_fills.key is 'text: the path into the data; null: it is the row of tags';
comment on column report.term_fills.status is 'text: waiting, filling, settling, filled (all jobs are found by it), leaving, clearing (it is taken away)';
comment on column report.term_fills.is_wanted is 'boolean: whether it stays: false once the key is no setting any more';
comment on column report.term_fills.looked_at is 'bigint: jobs that were there before and have been looked at so far';
comment on column report.term_fills.waiting_since is 'timestamp with time zone: since when nothing is in its way, while it waits';
