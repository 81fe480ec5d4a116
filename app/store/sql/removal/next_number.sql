-- Takes a number that no job gets. A job that is added later has a higher one.
select nextval('rowline.job_numbers') as number
