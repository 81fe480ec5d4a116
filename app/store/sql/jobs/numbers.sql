-- Returns the numbers of jobs by their custom ids. Index: jobs_custom_id.
select number, custom_id from rowline.jobs
where queue = :queue and custom_id = any(:custom_ids::text[]) and custom_id is not null
