"""What programs import: handlers for the Python worker.

    import rowline

    @rowline.handler("greet")
    def greet(job: rowline.Job) -> object:
        return f"Hello {job.data['name']}"

Imports nothing of the service, so that it lives beside any other package, one called `app` too.
"""

from rowline.handlers import UnrecoverableError, handler
from rowline.job import Job

__all__ = ["Job", "UnrecoverableError", "handler"]
