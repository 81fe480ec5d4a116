-- The columns of a delta that `summed`, `published` and `packed` read.
queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, is_restored, verb, at,
numbers, worker, details, durations, durations_s, removed
