-- The term of a key and of the value that is found there.
key.prefix
|| case
    when length(found.value) > 200 then '#' || encode(sha256(convert_to(found.value, 'UTF8')), 'hex')
    else '=' || found.value
end
