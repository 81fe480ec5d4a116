-- Returns how many jobs of :queue are claimed together: of those that were claimed in the last :within_s, among the newest
-- :most active and the newest :most completed ones, with how many a job was claimed at the same moment, on average; 1 if
-- there is none. Index: jobs_active and jobs_listed, :most probes each.
with begun as materialized (
    (select processed_at, processed_by from rowline.jobs
    where queue = :queue and status = 'active'
    order by number desc
    limit :most)
    union all
    (select processed_at, processed_by from rowline.jobs
    where queue = :queue and status = 'completed'
    order by number desc
    limit :most)
),
claims as (
    select count(*) as jobs
    from begun
    where processed_at > statement_timestamp() - :within_s * interval '1 second'
    group by processed_at, processed_by
)
select coalesce(sum(jobs * jobs) / sum(jobs), 1)::float8 as jobs from claims
