"""Streams of events behind the proxies of `app/docs/rolling.md`, real ones."""
