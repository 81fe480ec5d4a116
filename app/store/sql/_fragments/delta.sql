-- The columns of a delta that `summed` and `published` read.
queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, is_restored, verb, at,
numbers, worker, details, durations, durations_s
