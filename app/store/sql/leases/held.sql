-- Returns the positions, from 1, of the given attempts whose leases are held now. A job is given by its number, or by
-- its custom id if it has one. Indexes: jobs_pkey, jobs_custom_id.
select asked.place
from
    unnest(:queues::text[], :numbers::bigint[], :custom_ids::text[], :tokens::text[]) with ordinality
        as asked (queue, number, custom_id, token, place)
cross join lateral (
    select number from rowline.jobs
    where queue = asked.queue and number = asked.number and custom_id is null and status || '' = 'active'
        and lease_token = asked.token::uuid and leased_until > statement_timestamp()
    union all
    select number from rowline.jobs
    where queue = asked.queue and custom_id = asked.custom_id and status || '' = 'active'
        and lease_token = asked.token::uuid and leased_until > statement_timestamp()
) as held
