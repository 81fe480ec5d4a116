"""Programs that tests start: nothing of them is left for the tests that follow."""

import os
from pathlib import Path

from tests.support.clusters import PYTHON, Program, until

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; print('begun', flush=True); signal.pause()"])
print("child", child.pid, flush=True)
child.wait()
"""


def test_a_program_ends_with_the_processes_that_it_has_started() -> None:
    with Program([*PYTHON, "-c", PARENT]) as program:
        pid = int(program.expect("child").split()[1])
        program.expect("begun")
        os.kill(pid, 0)
    until(lambda: _has_ended(pid))


def _has_ended(pid: int) -> bool:
    """Return whether a process is gone, or waits only for whoever asks how it ended."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
