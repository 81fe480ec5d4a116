-- Adds an act to the audit.
insert into rowline.audit (
    actor, actor_name, address, request_id, action, queue, target, affected, before, after, outcome
)
values (
    :actor, :actor_name, :address, :request_id, :action, :queue, :target, :affected, :before::json, :after::json, :outcome
)
returning number
