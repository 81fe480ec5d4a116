-- Returns of each of :fingerprints the ids of its :most newest failed jobs in :queue, and the reason of the newest one, up to
-- :longest characters of it. Index: jobs_fingerprint.
select asked.fingerprint, newest.ids, newest.example
from unnest(:fingerprints::text[]) as asked (fingerprint)
cross join lateral (
    select
        array_agg(coalesce(job.custom_id, job.number::text) order by job.number desc) as ids,
        (array_agg(left(job.failed_reason, :longest::integer) order by job.number desc))[1] as example
    from (
        select * from rowline.jobs as found
        where '' || found.status = 'failed' and found.fingerprint is not null
            and (found.queue, found.fingerprint, found.number) > (:queue, asked.fingerprint, 0)
            and (found.queue, found.fingerprint, found.number) < (:queue, asked.fingerprint, 9223372036854775807)
        order by found.queue desc, found.fingerprint desc, found.number desc
        limit :most
    ) as job
) as newest
