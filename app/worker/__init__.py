"""The Python worker: claims jobs, runs handlers in processes of their own, settles."""
