-- Makes the partitions of the audit for three months, and drops those of 400 days ago.
select rowline.audit_partitions()
