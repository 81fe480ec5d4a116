"""How many instructions of Python a call runs in `app/`, those of libraries not counted."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import app

OURS = str(Path(app.__file__).parent)
WARM = 3  # calls after which nothing is remembered or prepared for the first time
CALLS = 9


class Count:
    """How many instructions were run in `app/`."""

    def __init__(self) -> None:
        self.number = 0


@contextmanager
def counting() -> Iterator[Count]:
    """Count what this thread runs in the block."""
    count = Count()

    def each(_frame: FrameType, event: str, _argument: object) -> Any:
        count.number += event == "opcode"
        return each

    def called(frame: FrameType, _event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_opcodes = True
        return each

    before = sys.gettrace()
    sys.settrace(called)
    try:
        yield count
    finally:
        sys.settrace(before)


def instructions(call: Callable[[], object]) -> int:
    """Count the instructions of a call, as it is when it was made before.

    It is the least of some calls: what a call does now and then is not its own, as when a second has passed, or the
    database's answer comes in two pieces, which on a busy machine may be so most of the time.
    """
    for _ in range(WARM):
        call()
    counts = []
    for _ in range(CALLS):
        with counting() as count:
            call()
        counts.append(count.number)
    assert min(counts), "this Python tells of none"
    return min(counts)
