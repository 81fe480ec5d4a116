"""Why a job does not run, and how many workers a queue needs."""
