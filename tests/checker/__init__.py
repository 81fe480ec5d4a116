"""The queue-history checker: what clients and workers saw, against what the database holds in the end.

The definitions are those of Jepsen's total-queue checker, for jobs that are added in arrays and worked under leases.
"""
