"""The routes of queues."""
