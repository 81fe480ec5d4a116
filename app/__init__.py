"""Rowline: an HTTP job queue on PostgreSQL. The code map is in README.md."""
