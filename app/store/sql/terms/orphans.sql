-- Looks at the next :limit terms behind the place of :after_queue, :after_term and :after, up to that of :until_queue and
-- :until_term; removes those from :first to before :behind whose jobs are gone. Returns how many it looked at, and the last
-- place. Indexes: terms_pkey; jobs_pkey, one probe for each term.
with walked as materialized (
    select stored.queue, stored.term, stored.number, stored.ctid as place
    from rowline.terms as stored
    where (stored.queue, stored.term, stored.number) > (:after_queue, :after_term, :after)
        and (stored.queue, stored.term, stored.number) < (:until_queue, :until_term, 0)
    order by stored.queue, stored.term, stored.number
    limit :limit
),
gone as (
    delete from rowline.terms as term
    where term.ctid = any(array(
        select walked.place from walked
        where walked.term >= :first and walked.term < :behind
            and (
                select true from rowline.jobs as job
                where job.queue = walked.queue and job.number = walked.number
                limit 1
            ) is null
    ))
)
select last.queue, last.term, last.number, (select count(*) from walked) as looked_at
from (
    select queue, term, number from walked
    order by queue desc, term desc, number desc
    limit 1
) as last
