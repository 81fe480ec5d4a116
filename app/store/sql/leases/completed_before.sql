-- Returns those of these completions that are repetitions: the same attempt completed before, with the same result, or it
-- completed and its job was removed then: that is in a row, in a pack, or in a delta that is not folded.
-- Indexes: jobs_pkey, removed_jobs_pkey, removed_packs_bucket, job_deltas_added_by, job_folds_pkey.
-- The numbers: as in `_fragments/attempts.sql`.
with last as (
    :_last_fold
),
shown as materialized (
    select number, uuid_send(token) || int8send(number) as key
    from unnest(:numbers::bigint[], :tokens::uuid[]) as shown (number, token)
)
select job.number
from rowline.jobs as job
where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'completed'
    and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
    and job.result::text = (:results::text[])[width_bucket(job.number, :numbers::bigint[])]
union all
select removed.number
from rowline.removed_jobs as removed
where removed.queue = :queue and removed.number = any(:numbers::bigint[])
    and removed.lease_token = (:tokens::uuid[])[width_bucket(removed.number, :numbers::bigint[])]
    and removed.outcome is null
union all
select shown.number
from shown
where exists (
    select from rowline.removed_packs as packed
    where packed.queue = :queue and packed.bucket = shown.number >> 8 and position(shown.key in packed.attempts) > 0
)
union all
select attempt.number
from (
    select removed || ''::bytea as attempts from rowline.job_deltas
    where added_by >= (select folded_below from last) and queue = :queue and removed is not null
    union all
    select removed || ''::bytea from rowline.job_deltas
    where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
        and queue = :queue and removed is not null
) as packed
:_unpacked
where (attempt.key in (select key from shown)) is true
