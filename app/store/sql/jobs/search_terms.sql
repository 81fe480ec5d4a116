-- Looks at the jobs of :queue that have :term, or, if that is not null, :or_term, with numbers between :above and :below, the
-- newest first, as `jobs/search` does; each has to have one of each pair of :others and :or_others too. Whether it has is
-- looked up before the job is read, each by a query of one row, which no plan turns into a walk. Indexes: terms_pkey; jobs_pkey.
:_looked
        select
            walked.number,
            case
                when clock_timestamp() <= (select clock_timestamp() + :time_ms * interval '1 millisecond')
                    then not exists (
                        select from unnest(:others::text[], :or_others::text[]) as asked (term, or_term)
                        where coalesce(
                            (
                                select false from rowline.terms as other
                                where other.queue = :queue and other.term = asked.term and other.number = walked.number
                                limit 1
                            ),
                            (
                                select false from rowline.terms as other
                                where other.queue = :queue and other.term = asked.or_term
                                    and other.number = walked.number
                                limit 1
                            ),
                            true
                        )
                    )
                    and coalesce(
                        (
                            select
                                job.status = any(:statuses::text[]) and
                                :_matches
                            from rowline.jobs as job
                            where job.queue = :queue and job.number = walked.number
                            limit 1
                        ),
                        false
                    )
            end as is_match
        from (
            (
                select * from rowline.terms as walked
                where walked.queue = :queue and walked.term = :term
                    and walked.number > :above and walked.number < :below
                order by walked.number desc
                limit :limit
            )
            union all
            (
                select * from rowline.terms as walked
                where walked.queue = :queue and walked.term = :or_term
                    and walked.number > :above and walked.number < :below
                order by walked.number desc
                limit :limit
            )
        ) as walked
        order by walked.number desc
:_newest_first
