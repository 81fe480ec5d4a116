-- Removes those of `walked` that are over, and returns how many were looked at, the last number, and how many were removed.
changed as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = any(array(select number from walked where is_over))
        and job.status || '' = :status
        -- Not one that was retried, and ended again, meanwhile. In a form that no index serves.
        and (job.finished_at < statement_timestamp()) is true
    :_removed
select count(*) as looked_at, max(walked.number) as last, (select count(*) from changed) as removed from walked
