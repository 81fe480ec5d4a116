-- Keeps programs out that are older than :revision, from the commit on.
select rowline.require_release(:revision)
