"""The memory of responses is reserved in turn, and what a killed request waited for is not lost."""

import os
import subprocess

import pytest

from tests.support.clusters import IMPORTABLE, PYTHON

KILLED = """
from gevent import monkey; monkey.patch_all()
import gevent
from app.infra.room import Room
room = Room(100, per_answer=100, claims=1, wait_s=60)
assert room.take(100)
def go():
    if room.take(60, timeout_s=60):
        room.give(60)
waiting = [gevent.spawn(go) for _ in range(3)]
while sum(map(len, room._lines.values())) < 3:
    gevent.sleep(0)
if {is_freed}:
    room.give(100)
gevent.killall(waiting)
if not {is_freed}:
    room.give(100)
print(room.free, room.take(100))
"""


@pytest.mark.parametrize("is_freed", [False, True])
def test_a_request_that_is_killed_while_it_waits_for_memory_keeps_none(*, is_freed: bool) -> None:
    """Also if it was freed for it in that moment."""
    env = os.environ | {"PYTHONPATH": ":".join(IMPORTABLE)}
    argv = [*PYTHON, "-c", KILLED.format(is_freed=is_freed)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "100 True\n"
