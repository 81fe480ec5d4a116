"""What runs by itself in every process that may: due jobs, stalled jobs, counts, old keys."""
