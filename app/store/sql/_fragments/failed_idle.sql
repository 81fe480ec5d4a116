-- Fails the jobs of the CTE `idle`, which has locked them: without an attempt, for one and the same reason. The
-- statement says where.
before as (
    select array_agg(number order by number) as numbers, array_agg(status order by number) as statuses from idle
),
changed as (
    update rowline.jobs as job
    set status = 'failed',
        failed_reason = :reason,
        failed_code = :code,
        fingerprint = :fingerprint,
        finished_at = statement_timestamp()
