-- How many tokens there are, ended ones too. Index: tokens_pkey.
select count(*) as number from rowline.tokens
