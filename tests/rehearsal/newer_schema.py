"""A plugin of pytest for the tests of an earlier release: their databases get this release's schema.

This release is the folder ROWLINE_NEWER, its revision NEWER_REVISION.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest


def _upgrade(url: str, **_: object) -> None:
    newer = os.environ["NEWER_RELEASE"]
    env = os.environ | {"PYTHONPATH": f"{newer}:{newer}/app", "DATABASE_URL": url}
    words = [sys.executable, "-P", "-m", "app", "db", "upgrade", env.pop("NEWER_REVISION")]
    env.pop("NEWER_RELEASE")
    subprocess.run(words, env=env, check=True, cwd=newer)


@pytest.fixture(scope="session", autouse=True)
def _newer_schema() -> None:
    package = "postgres" if Path("app/postgres").exists() else "infra"  # where it was up to revision 0010
    importlib.import_module(f"app.{package}.schema").upgrade = _upgrade  # type: ignore[attr-defined]
