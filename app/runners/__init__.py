"""Long-running processes and loops: the worker with its handler processes, the dispatcher, and the maintainer."""
