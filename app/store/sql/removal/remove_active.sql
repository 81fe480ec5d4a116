-- remove_active: active -> (nowhere)
-- Deletes the jobs of :numbers that are active, with their attempts and their logs. The caller has locked their rows.
with changed as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'active'
    :_removed
select number from changed
