-- Keeps the attempts that `moved` ended.
insert into rowline.attempts (queue, number, nth, worker, started_at, ended_at, outcome, reason)
select queue, number, attempts_started, processed_by, processed_at, statement_timestamp(), outcome, reason
from moved
