-- Whether `job` matches a filter, what is cheap first; a parameter that is null asks for nothing, and so does an empty array.
-- A value at a path of the data is compared as the JSON that it was sent as, and, if it is a string, as that.
coalesce(
    (:name::text is null or job.name = :name)
    and (:since::bigint is null or job.added_at >= timestamptz 'epoch' + :since * interval '1 millisecond')
    and (:until::bigint is null or job.added_at < timestamptz 'epoch' + :until * interval '1 millisecond')
    and (
        :finished_since::bigint is null
        or coalesce(job.finished_at >= timestamptz 'epoch' + :finished_since * interval '1 millisecond', false)
    )
    and (
        :finished_until::bigint is null
        or coalesce(job.finished_at < timestamptz 'epoch' + :finished_until * interval '1 millisecond', false)
    )
    and (:worker::text is null or coalesce(job.processed_by = :worker, false))
    and (:fingerprint::text is null or coalesce(job.status = 'failed' and job.fingerprint = :fingerprint, false))
    and (cardinality(:tags::text[]) = 0 or coalesce(job.tags @> :tags::text[], false))
    and (:error::text is null or coalesce(strpos(job.failed_reason, :error) > 0, false))
    and (
        cardinality(:paths::text[]) = 0
        or not exists (
            select from unnest(:paths::text[], :values::text[]) as asked (path, value)
            where not coalesce(
                (
                    select found.json::text = asked.value or found.json #>> '{}' = asked.value
                    from (select job.data #> string_to_array(asked.path, '.') as json offset 0) as found
                ),
                false
            )
        )
    ),
    false
)
