"""While a program is imported, nothing is collected: what it loads stays to its end. Imports next to nothing itself.

The collector would scan all of it again and again, and once more at the exit: a third of the CPU time of a command.
"""

import contextlib
import gc
import sys
from collections.abc import Iterator


def begin() -> None:
    """Collect nothing until `end`, or until the end of a block of `uncollected`: a program begins to import."""
    gc.disable()


def end() -> None:
    """Never scan what is loaded by now, and collect what is made from now on."""
    gc.freeze()
    gc.enable()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Import something during the block. Where all of it was loaded before, nothing but the collector's pause ends."""
    known = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()
        gc.enable()
