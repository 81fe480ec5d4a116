"""Working jobs over HTTP: claim, complete, fail, extend, release, finish."""
