from pathlib import Path

from tests.support import clusters
from tests.support.clusters import Program

CODE = """
import os, signal
from app.local import terminal
from app.local.processes import Supervisor
with terminal.owned(), Supervisor(limit_s=5) as supervisor:
    print("group", os.tcgetpgrp(0) == os.getpgrp(), flush=True)
    supervisor.run()
print("given back", os.tcgetpgrp(0) == os.getpgrp() == os.getpgid(os.getppid()), flush=True)
"""


def make(place: Path, *, terminal: bool) -> Program:
    (place / "code.py").write_text(CODE if terminal else CODE.replace("os.tcgetpgrp(0)", "os.getpgrp()"))
    (place / "Makefile").write_text(f"run:\n\t@{' '.join(clusters.PYTHON)} code.py\n")
    return Program(["make", "--no-print-directory", "-C", place], terminal=terminal)


def test_ctrl_c_ends_make_without_an_error(tmp_path: Path) -> None:
    with make(tmp_path, terminal=True) as program:
        program.expect("group True")
        program.type("\x03")
        assert program.end() == 0
    assert "given back True" in program.output
    assert "Error" not in program.output


def test_ctrl_z_leaves_no_stuck_terminal(tmp_path: Path) -> None:
    with make(tmp_path, terminal=True) as program:
        program.expect("group True")
        program.type("\x1a")
        program.type("\x03")
        assert program.end() == 0


def test_without_a_terminal_nothing_changes(tmp_path: Path) -> None:
    with make(tmp_path, terminal=False) as program:
        program.expect("group True")
        program.process.terminate()
        assert program.end() != 0
