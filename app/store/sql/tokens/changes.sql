-- The mark that changes when a secret ceases to be valid, '' at first. Index: token_changes_pkey.
select coalesce((select mark::text from rowline.token_changes where is_only), '') as mark
