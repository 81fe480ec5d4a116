"""Nothing is collected while programs are imported, and everything is collected once they run: real processes."""

import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.support import clusters
from tests.support.clusters import IMPORTABLE, PYTHON, Program

AT_EXIT = """
import atexit, gc, os, runpy, sys
scans = lambda: sum(of["collections"] for of in gc.get_stats()[1:])
before = scans()
said = lambda: f"{gc.isenabled()} {gc.get_freeze_count() > 20_000} {scans() - before}"
atexit.register(lambda: os.write(2, said().encode()))
sys.argv = ["rowline", *sys.argv[1:]]
runpy.run_module("app", run_name="__main__")
"""
FIRST = "import app.cli.main; from app.infra import loading; import gc; "
PROBED = """
import gc

found = [gc.isenabled()]


def application(environ, start_response):
    found.append(gc.isenabled())
    start_response("200 OK", [])
    return [f"{found} {gc.get_freeze_count() > 20_000}".encode()]


print("loaded", flush=True)
"""


@pytest.mark.parametrize("command", ["work", "run", "db", "report", "queues"])
def test_a_command_never_scans_what_it_has_loaded_and_collects_what_it_makes(command: str) -> None:
    done = subprocess.run(
        [*PYTHON, "-c", AT_EXIT, command, "--help"],
        env={"PYTHONPATH": ":".join(IMPORTABLE)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == "True True 0"


def test_a_process_of_the_api_collects_once_it_has_loaded(tmp_path: Path) -> None:
    (tmp_path / "probed.py").write_text(PROBED)
    port = clusters.free_port()
    words = ["-m", "app.infra.interrupt", "gunicorn", "--config", "python:app.web.server", "--chdir", str(tmp_path)]
    with Program([*PYTHON, *words, "probed:application"], env={"PORT": str(port)}) as program:
        program.expect("loaded")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            said = answer.read()
    assert said == b"[False, True] True"


@pytest.mark.parametrize(
    ("block", "after"),
    [("pass", "(True, False)"), ("import app.cli.report", "(True, True)")],
    ids=["nothing new", "something new"],
)
def test_what_was_loaded_before_is_not_frozen_again(block: str, after: str) -> None:
    script = f"{FIRST}\nwith loading.uncollected():\n    assert not gc.isenabled(); {block}\n"
    script += "print((gc.isenabled(), gc.get_freeze_count() > 0))"
    done = subprocess.run(
        [*PYTHON, "-c", script], env={"PYTHONPATH": ":".join(IMPORTABLE)}, check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{after}\n"
