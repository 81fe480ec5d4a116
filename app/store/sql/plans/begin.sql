-- Takes a number that no job gets, so that a job that is added later has a higher one; returns it with the time, in ms.
select nextval('rowline.job_numbers') as number, floor(extract(epoch from statement_timestamp()) * 1000)::bigint as now_ms
