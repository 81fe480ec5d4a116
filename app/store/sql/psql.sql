-- For psql, before one of these files, in the folder of the checkout: what statements share, as variables.
-- psql "$DATABASE_URL" -v queue="'q'" -v numbers="'{1}'" -v custom_ids="'{}'" -v most=1000000 -f app/store/sql/psql.sql -f app/store/sql/jobs/find.sql
\set _attempts `cat app/store/sql/_fragments/attempts.sql`
\set _bytes `cat app/store/sql/_fragments/bytes.sql`
\set _claimed_whole `cat app/store/sql/_fragments/claimed_whole.sql`
\set _counted `cat app/store/sql/_fragments/counted.sql`
\set _delayed `cat app/store/sql/_fragments/delayed.sql`
\set _due `cat app/store/sql/_fragments/due.sql`
\set _ended `cat app/store/sql/_fragments/ended.sql`
\set _failure `cat app/store/sql/_fragments/failure.sql`
\set _fold_mark `cat app/store/sql/_fragments/fold_mark.sql`
\set _job `cat app/store/sql/_fragments/job.sql`
\set _last_fold `cat app/store/sql/_fragments/last_fold.sql`
\set _lease `cat app/store/sql/_fragments/lease.sql`
\set _ready `cat app/store/sql/_fragments/ready.sql`
\set _settled `cat app/store/sql/_fragments/settled.sql`
