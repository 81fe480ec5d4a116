"""Adding, finding and cancelling jobs over HTTP."""
