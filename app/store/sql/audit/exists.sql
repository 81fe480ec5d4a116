-- Whether the schema has an audit: what works on every schema asks before it notes an act.
select to_regclass('rowline.audit') is not null as there
