-- Returns the ids that jobs of :numbers had which are gone, and had another id than their number: from what was published
-- of their removal, and from the deltas that are not folded yet. Indexes: events_gone, job_deltas_added_by, job_folds_pkey.
with last as (
    :_last_fold
),
removals as (
    select queue, details from rowline.events
    where numbers && :numbers::bigint[] and details is not null
        and verb in ('complete_and_remove', 'sweep', 'remove_job', 'remove_active', 'replace', 'remove_by_plan')
    union all
    select queue, details from rowline.job_deltas
    where added_by >= (select folded_below from last) and details is not null
        and verb in ('complete_and_remove', 'sweep', 'remove_job', 'remove_active', 'replace', 'remove_by_plan')
    union all
    select queue, details from rowline.job_deltas
    where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
        and details is not null
        and verb in ('complete_and_remove', 'sweep', 'remove_job', 'remove_active', 'replace', 'remove_by_plan')
)
select removals.queue, each.key::bigint as number, each.value ->> 'id' as custom_id
from removals
cross join lateral json_each(removals.details) as each
where each.value ->> 'id' is not null and each.key::bigint = any(:numbers::bigint[])
