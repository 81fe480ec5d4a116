-- Deletes the log lines of a job but the newest :kept.
delete from rowline.logs
where number = :number and queue = :queue and line_number <= (
    select line_number from rowline.logs
    where number = :number and queue = :queue
    order by line_number desc
    offset :kept limit 1
)
returning line_number
