-- The end of a search (`looked.sql`) of rows in the order of their numbers, the newest first.
        limit :limit
    ) as seen
    window before as (order by seen.number desc rows between unbounded preceding and 1 preceding)
) as counted
where counted.late_before < 1 and counted.found_before < :most
