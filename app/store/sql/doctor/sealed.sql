-- Returns the encrypted headers and secrets of the endpoints, by their queues, up to :most. Index: endpoints_pkey.
select queue, headers, secrets from rowline.endpoints order by queue limit :most
