"""The gunicorn worker of the API: gevent's, whose waits for clients all end, and whose stop awaits no idle one."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

LINGER_S = 0.5
"""How long a stopping worker leaves idle connections open, for requests that are already on their way."""


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """A connection is a greenlet, so that a silent one costs a little memory and no thread.

    gunicorn waits for the head of a request inside `timeout_ctx`; bodies and answers have their ends in
    `app.web.clients`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin with nobody waiting."""
        super().__init__(*arguments, **options)
        self._waiting: dict[gevent.Timeout, gevent.Greenlet] = {}

    @contextlib.contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Wait for the next request of a connection, and give up in silence: the caller then closes it."""
        with gevent.Timeout(self.cfg.keepalive, False) as end:
            self._waiting[end] = gevent.getcurrent()
            try:
                yield
            finally:
                del self._waiting[end]

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop: take nothing new, let go who waits, and end when the requests under way are answered."""
        super().handle_exit(sig, frame)
        gevent.spawn_later(LINGER_S, self._let_go)

    def _let_go(self) -> None:
        for end, greenlet in list(self._waiting.items()):
            gevent.kill(greenlet, end, block=False)
