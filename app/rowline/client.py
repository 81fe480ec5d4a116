"""The client of the HTTP API."""

import os
from collections.abc import Callable
from typing import Self

from rowline.errors import RowlineError
from rowline.queue import Queue
from rowline.transport import Transport

TIMEOUT_S = 30.0


class Rowline:
    """A Rowline service. Create one and reuse it: it pools connections. Safe to use from many threads.

    While the service is away or busy, calls are retried within `timeout_s`, where that is safe. Proxy variables of the
    environment are ignored, and redirects are not followed.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = TIMEOUT_S,
        on_retry: Callable[[RowlineError], object] | None = None,
    ) -> None:
        """Take the URL of the service, such as http://127.0.0.1:8080, and an API token. Raises ValueError.

        Connects on the first call. `timeout_s` limits a whole call with its retries; a single try ends when the service
        does not respond for a third of it. `on_retry` is called, in the thread of the call, with the
        error of each try that is retried.
        """
        self._transport = Transport(url, token, timeout_s=timeout_s, on_retry=on_retry)

    @classmethod
    def from_env(cls, *, timeout_s: float = TIMEOUT_S) -> Self:
        """Make a client by ROWLINE_URL and ROWLINE_TOKEN of the environment. Raises ValueError."""
        return cls(os.environ.get("ROWLINE_URL", ""), os.environ.get("ROWLINE_TOKEN", ""), timeout_s=timeout_s)

    def queue(self, name: str) -> Queue:
        """Return a queue; it need not exist. Raises ValueError for an invalid name."""
        return Queue(self._transport, name)

    def close(self) -> None:
        """Close all connections. Waiting claims return the jobs that the service has already leased to them."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
