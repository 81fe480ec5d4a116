"""The jobs that run now."""
