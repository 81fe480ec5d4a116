"""Reads, each in one READ ONLY snapshot, so that PostgreSQL itself rejects a write."""
