"""The dispatcher: calls endpoints with their queues' jobs."""
