"""Streams and pages of events."""
