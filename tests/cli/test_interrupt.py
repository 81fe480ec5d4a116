"""Ctrl-C while the command line is still being imported, which takes a second or more on a small machine."""

import os
import signal
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.clusters import IMPORTABLE, PYTHON, Program, free_port

SLOW = """
import importlib, signal, sys
if {when!r} in sys.orig_argv:
    print("importing", flush=True)
    while True:
        signal.pause()
sys.path.remove({folder!r})
del sys.modules[__name__]
importlib.import_module(__name__)
"""
SERVED = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "AUTH_TOKENS": "a-token"}
SCRIPT = [str(Path(PYTHON[0]).with_name("rowline"))]


def importing(folder: Path, module: str, argv: list[str], *, when: str, **env: str) -> Program:
    """Run a program that has come to an import that does not end, in a process with the word `when`."""
    (folder / f"{module}.py").write_text(SLOW.format(when=when, folder=str(folder)))
    port = {"PORT": str(free_port())}  # one that who is not root may listen on too
    program = Program(argv, env=SERVED | port | {"PYTHONPATH": ":".join([str(folder), *IMPORTABLE])} | env)
    program.expect("importing")
    return program


@pytest.mark.parametrize("argv", [[*SCRIPT, "--help"], [*PYTHON, "-m", "app", "--help"]], ids=["script", "module"])
def test_ctrl_c_while_the_command_is_imported_ends_it_quietly(tmp_path: Path, argv: list[str]) -> None:
    with importing(tmp_path, "pygal", argv, when="--help") as program:
        assert program.end(signal.SIGINT) == 130
        assert program.output == "importing\n"


@pytest.mark.parametrize(("command", "module"), [("serve", "gunicorn"), ("dispatch", "gevent.monkey")])
def test_ctrl_c_while_what_hosts_it_is_imported_ends_it_quietly(tmp_path: Path, command: str, module: str) -> None:
    """These two begin anew, in a program of somebody else's."""
    imported = "gunicorn" if command == "serve" else "urllib3"
    with importing(tmp_path, imported, [*PYTHON, "-m", "app", command], when=module) as program:
        assert program.end(signal.SIGINT) == 130
        assert program.output == "importing\n"


def test_ctrl_c_while_processes_of_the_api_import_the_application_ends_all_quietly(tmp_path: Path) -> None:
    """It waited for them as for requests under way, ROWLINE_DRAIN_MS, and told what each was at."""
    serving = [*PYTHON, "-m", "app", "serve"]
    with importing(tmp_path, "marshmallow", serving, when="gunicorn", ROWLINE_DRAIN_MS="300000") as program:
        os.killpg(program.pid, signal.SIGINT)
        assert program.end() == 0
        assert "Traceback" not in program.output


def test_ctrl_c_ends_a_server_quietly(own_url: str) -> None:
    with raw.server(own_url, ROWLINE_DRAIN_MS="300000") as server:
        server.check()
        os.killpg(server.program.pid, signal.SIGINT)
        assert server.program.end() == 0
        assert "Traceback" not in server.program.output


def test_a_ctrl_c_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    """As a shell has it for a job in the background."""
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *PYTHON, "-m", "app", "--help"]
    with importing(tmp_path, "pygal", ignoring, when="--help") as program:
        program.process.send_signal(signal.SIGINT)
        program.process.send_signal(signal.SIGTERM)
        assert program.end() == -signal.SIGTERM
        assert program.output == "importing\n"
