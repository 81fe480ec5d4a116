"""Ctrl-C while a program is still being imported: it ends without a traceback. Imports next to nothing itself.

`python -m app.infra.interrupt MODULE …` runs a module of somebody else's so, until it takes Ctrl-C itself.
"""

import contextlib
import os
import runpy
import signal
import sys
from collections.abc import Iterator

from app.infra import loading

CODE = 128 + signal.SIGINT
"""The exit code of a program that Ctrl-C ended, as in shells."""
RUN = ["-P", "-m", "app.infra.interrupt"]
"""What Python gets, before MODULE."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """End this process silently at Ctrl-C during the block. If SIGINT is ignored, it stays ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(CODE))
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    del sys.argv[0]
    loading.begin()
    with quiet():
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
