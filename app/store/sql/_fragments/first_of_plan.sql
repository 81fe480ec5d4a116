-- Which rows of a plan, of one of its tables, by their numbers.
where queue = :queue and plan = :id::uuid
order by number
limit :limit
