-- Whether `job` matches a filter; null if the time was over before it was looked at.
case
    when clock_timestamp() <= (select clock_timestamp() + :time_ms * interval '1 millisecond')
        then
        :_matches
end as is_match
