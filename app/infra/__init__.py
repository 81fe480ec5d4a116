"""Infrastructure: settings, database connections, processes, logs, outbound HTTP. It knows nothing of jobs."""
