"""The doctor over HTTP."""
