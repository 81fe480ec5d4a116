create view report.audit as
select number, at, actor, actor_name, address, request_id, action, queue, target, affected, before, after, outcome
from rowline.audit;
comment on view report.audit is 'One row an act that is neither adding nor working jobs, for 400 days.';
comment on column report.audit.number is 'bigint: growing in the order of writing, with gaps';
comment on column report.audit.at is 'timestamp with time zone: when';
comment on column report.audit.actor is 'text: who: token:<id>, env:<nth of AUTH_TOKENS>, cli:<account>, dispatcher';
comment on column report.audit.actor_name is 'text: the name of the token';
comment on column report.audit.address is 'text: the address of the client; null on the command line';
comment on column report.audit.request_id is 'text: the id of the request, as in the logs';
comment on column report.audit.action is 'text: what: a noun and a verb, such as jobs.cancel';
comment on column report.audit.queue is 'text: on which queue, if on one';
comment on column report.audit.target is 'text: on which job, token or the like';
comment on column report.audit.affected is 'bigint: how many jobs, tokens or the like';
comment on column report.audit.before is 'json: what was there before, where it changed';
comment on column report.audit.after is 'json: what is there since then';
comment on column report.audit.outcome is 'text: done, or refused: the token lacked the scope';
