"""Every example of client.md, and those of the README that work over HTTP, run against a real service."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rowline

from tests.support import databases, raw, receivers
from tests.support.clusters import IMPORTABLE, PYTHON, ROOT, Program, free_port, until
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


def test_a_webhook_runs_as_it_stands(own_url: str, tmp_path: Path) -> None:
    server, calls = [block for block in blocks(ROOT / "README.md") if "ThreadingHTTP" in block or "9000/jobs" in block]
    port, file = free_port(), tmp_path / "receiver.py"
    file.write_text(server.replace("9000", str(port)))
    with (
        raw.server(own_url, ROWLINE_WEBHOOK_ALLOW=receivers.LOOPBACK, ROWLINE_SECRET_KEYS=raw.KEY) as service,
        receivers.dispatcher(own_url),
        Program([sys.executable, file]),
        rowline.Rowline(f"http://127.0.0.1:{service.port}", raw.TOKEN) as client,
    ):
        until(lambda: is_open(port))
        text = calls.replace("8080", str(service.port)).replace("9000", str(port))
        told = subprocess.run(
            ["bash", "-euc", f"TOKEN={raw.TOKEN}\n{text}"], capture_output=True, text=True, check=True
        )
        assert told.stdout.startswith("OK\n[{")
        [job] = client.queue("post").list().jobs
        assert client.queue("post").wait(job.id, timeout_s=10).result == "read a letter"


def is_open(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_the_client_of_the_readme_runs_as_it_stands(worker: Program, proxy: HttpProxy) -> None:
    [example] = [block for block in blocks(ROOT / "README.md") if "from_env" in block]
    env = {"ROWLINE_URL": proxy.url, "ROWLINE_TOKEN": raw.TOKEN, "PYTHONPATH": ":".join(IMPORTABLE)}
    told = subprocess.run([sys.executable, "-P", "-c", example], env=env, capture_output=True, text=True, check=True)

    assert told.stdout == "sent\n"


def test_the_examples_of_plans_run_one_after_the_other_as_they_stand(own_url: str) -> None:
    page = blocks(ROOT / "app" / "docs" / "plans.md")
    in_shell = "".join(block for block in page if "$ID" in block)
    in_python = [block for block in page if "client.queue" in block]
    databases.run(own_url, "select rowline.enqueue('mail', 'n', '1', '{\"tags\": [\"spring\"]}')")
    databases.run(own_url, "select rowline.enqueue('mail', 'n', '{\"customer\": {\"id\": 42}}', '{\"startBy\": 1}')")
    with raw.server(own_url) as service, rowline.Rowline(f"http://127.0.0.1:{service.port}", raw.TOKEN) as client:
        until(lambda: client.queue("mail").counts("failed") == {"failed": 1})
        databases.run(own_url, "update rowline.jobs set failed_reason = 'a timeout' where status = 'failed'")
        env = {"DATABASE_URL": own_url, "TOKEN": raw.TOKEN, "PATH": f"{Path(PYTHON[0]).parent}:{os.environ['PATH']}"}
        text = in_shell.replace("8080", str(service.port))
        told = subprocess.run(
            ["bash", "-euc", text], capture_output=True, text=True, check=True, env=env, stdin=subprocess.DEVNULL
        ).stdout
        assert "No such" not in told
        until(lambda: client.queue("mail").counts("waiting") == {"waiting": 2})  # one was retried, one came back
        ends = [("retry", "applied"), ("remove", "undone"), ("retry", "planned"), ("remove", "undone")]
        until(lambda: [(plan.action, plan.status) for plan in reversed(client.queue("mail").plans())] == ends)
        exec(in_python[0], {"client": client})


def test_the_examples_of_schedules_run_one_after_the_other_as_they_stand(own_url: str) -> None:
    page = blocks(ROOT / "app" / "docs" / "schedules.md")
    in_shell = "".join(block for block in page if "curl" in block or block.startswith("rowline "))
    [in_python] = [block for block in page if "client.queue" in block]
    with raw.server(own_url) as service, rowline.Rowline(f"http://127.0.0.1:{service.port}", raw.TOKEN) as client:
        env = {"DATABASE_URL": own_url, "TOKEN": raw.TOKEN, "PATH": f"{Path(PYTHON[0]).parent}:{os.environ['PATH']}"}
        exec(in_python, {"client": client})
        [nightly] = client.queue("mail").schedules()
        text = in_shell.replace("8080", str(service.port))
        told = subprocess.run(["bash", "-euc", text], capture_output=True, text=True, check=True, env=env).stdout
        assert ("error" in told, told.count(":now  waiting  created")) == (False, 1)
        assert nightly.look().info.next_on == nightly.preview(1)[0].on
        assert [(run.is_besides, run.status) for run in nightly.runs()] == [(True, "waiting")] * 3
