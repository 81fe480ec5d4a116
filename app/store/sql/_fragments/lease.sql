-- Leases the jobs that `scanned` has locked. The token of a job that is to be removed when it completes ends with a mark, by
-- which whoever completes it knows that without reading it.
update rowline.jobs as job
set lease_token = case
        when job.remove_on_complete is null or coalesce(job.remove_on_complete ->> 'count', '') <> '0'
            then encode(substr(sha256(int8send(job.number) || (select seed from scanned)), 1, 16), 'hex')::uuid
        else (
            encode(substr(sha256(int8send(job.number) || (select seed from scanned)), 1, 14), 'hex')
            ||
            :_mark
        )::uuid
    end,
    :_leased
where job.queue = :queue and job.number = any((select numbers from scanned)::bigint[])
    and job.status || '' in ('waiting', 'prioritized')
