"""The client: a service, over HTTP."""

import os
from collections.abc import Callable
from typing import Self

from rowline.errors import RowlineError
from rowline.queue import Queue
from rowline.transport import Transport

TIMEOUT_S = 30.0


class Rowline:
    """A Rowline service. Make one and keep it: it holds connections. Safe to use from many threads.

    Calls that may be repeated are, within `timeout_s`, while the service is away or busy. No proxy is used, whatever
    the environment says, and no redirect is followed.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = TIMEOUT_S,
        on_retry: Callable[[RowlineError], object] | None = None,
    ) -> None:
        """Name the service, like http://127.0.0.1:8080, and an API token. Connects to nothing yet. Raises ValueError.

        `timeout_s` is for a whole call with its repetitions; a single try is given up when the service is silent for a
        third of it. `on_retry` is called, in the thread of the call, with the error of each try that may be made again.
        """
        self._transport = Transport(url, token, timeout_s=timeout_s, on_retry=on_retry)

    @classmethod
    def from_env(cls, *, timeout_s: float = TIMEOUT_S) -> Self:
        """Take ROWLINE_URL and ROWLINE_TOKEN from the environment. Raises ValueError."""
        return cls(os.environ.get("ROWLINE_URL", ""), os.environ.get("ROWLINE_TOKEN", ""), timeout_s=timeout_s)

    def queue(self, name: str) -> Queue:
        """Return a queue, which need not exist yet. Raises ValueError."""
        return Queue(self._transport, name)

    def close(self) -> None:
        """End: close connections, and have claims that wait end with what the service has claimed for them already."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
