"""What happened in a queue over time."""
