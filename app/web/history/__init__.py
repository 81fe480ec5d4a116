"""Attempts and logs of a job over HTTP."""
