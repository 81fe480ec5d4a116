"""What the machine gives: settings, database, processes, logs. Knows nothing of jobs."""
