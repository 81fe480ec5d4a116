"""The names of workers."""

import os

import pytest

from app.worker import worker


@pytest.mark.parametrize(("host", "name"), [("crane", "crane:"), ("push", "worker:push:"), ("push-1", "push-1:")])
def test_a_worker_has_no_name_of_a_dispatcher_whatever_its_host_is_called(
    monkeypatch: pytest.MonkeyPatch, host: str, name: str
) -> None:
    """The running calls of an endpoint are counted by names that begin with `push:`."""
    monkeypatch.setattr("socket.gethostname", lambda: host)

    assert worker.name() == f"{name}{os.getpid()}"
