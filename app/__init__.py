"""Rowline: an HTTP job queue on PostgreSQL. The map of the house is in README.md."""
