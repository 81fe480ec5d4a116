"""JSON parsing, shared by the API, workers and dispatchers."""
