"""Every example of client.md, and those of the README that work over HTTP, run against a real service."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rowline

from tests.support import raw
from tests.support.clusters import IMPORTABLE, PYTHON, ROOT, Program
from tests.support.httpproxy import HttpProxy

HANDLERS = 'import rowline\n\n@rowline.handler("welcome")\ndef welcome(job):\n    return "sent"\n'


def blocks(page: Path) -> list[str]:
    """The examples of a page: what is indented by four after an empty line."""
    found = re.findall(r"(?:(?<=\n\n)|\A)((?:    .*\n|\n(?=    ))+)", page.read_text())
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


@pytest.fixture
def worker(proxy: HttpProxy, tmp_path: Path) -> Iterator[Program]:
    """The worker of the queue `mail`, over HTTP."""
    file = tmp_path / "handlers.py"
    file.write_text(HANDLERS)
    env = {"DATABASE_URL": "", "ROWLINE_URL": proxy.url, "ROWLINE_TOKEN": raw.TOKEN}
    argv: list[str | Path] = [*PYTHON, "-m", "app", "work", "--queue", "mail", "--handlers", file]
    with Program(argv, env=env) as program:
        program.expect("worker_started")
        yield program


def test_the_examples_of_the_client_run_as_they_stand(worker: Program, proxy: HttpProxy) -> None:
    examples = blocks(ROOT / "app" / "docs" / "client.md")
    names: dict[str, Any] = {}
    for example in examples:
        text = example.replace("http://127.0.0.1:8080", proxy.url).replace('"TOKEN"', repr(raw.TOKEN))
        exec(compile(text, "client.md", "exec"), names)

    assert len(examples) >= 6
    assert names["done"].result == "sent"
    with rowline.Rowline(proxy.url, raw.TOKEN) as client:
        assert client.queue("images").counts("completed") == {"completed": 3}


def test_a_worker_in_curl_alone_runs_as_it_stands(proxy: HttpProxy) -> None:
    [example] = [block for block in blocks(ROOT / "README.md") if "$JOBS/claim" in block]
    text = f"TOKEN={raw.TOKEN}\n" + example.replace("http://127.0.0.1:8080", proxy.url)
    told = subprocess.run(["bash", "-euc", text], capture_output=True, text=True, check=True)

    assert told.stdout.endswith('"status":"completed"}\n')
    with rowline.Rowline(proxy.url, raw.TOKEN) as client:
        [job] = client.queue("letters").list().jobs
    assert (job.status, job.result) == ("completed", "sent")


def test_the_client_of_the_readme_runs_as_it_stands(worker: Program, proxy: HttpProxy) -> None:
    [example] = [block for block in blocks(ROOT / "README.md") if "from_env" in block]
    env = {"ROWLINE_URL": proxy.url, "ROWLINE_TOKEN": raw.TOKEN, "PYTHONPATH": ":".join(IMPORTABLE)}
    told = subprocess.run([sys.executable, "-P", "-c", example], env=env, capture_output=True, text=True, check=True)

    assert told.stdout == "sent\n"
