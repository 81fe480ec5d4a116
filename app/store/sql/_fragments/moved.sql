-- What a statement returns of a job that it moved from the status that the CTE `before` knows to another.
returning
    job.number,
    :_was
    ,
    job.status
