-- Has one transaction at a time count the plans of :queue, to add one or to apply one: until it ends. Waits for others.
select pg_advisory_xact_lock(hashtextextended('rowline plans ' || :queue, 0)) as locked
