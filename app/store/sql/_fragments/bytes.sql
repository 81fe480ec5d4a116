-- The length of the texts of a job in a response, in bytes; the result is there twice, and so are tags by a default.
octet_length(data::text) + octet_length(opts::text) + octet_length(progress::text)
+ 2 * coalesce(octet_length(result::text), 0) + coalesce(octet_length(failed_reason), 0)
+ case when cardinality(stacktrace) > 0 then octet_length(stacktrace::text) else 0 end
+ 2 * coalesce(octet_length(effective::text), 0)
