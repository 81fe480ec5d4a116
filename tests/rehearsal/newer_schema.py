"""A plugin of pytest for the tests of an earlier release: their databases get this release's schema.

This release is the folder ROWLINE_NEWER, its revision NEWER_REVISION.
"""

import os
import subprocess
import sys

import pytest


def _upgrade(url: str, **_: object) -> None:
    newer = os.environ["NEWER_RELEASE"]
    env = os.environ | {"PYTHONPATH": f"{newer}:{newer}/app", "DATABASE_URL": url}
    words = [sys.executable, "-P", "-m", "app", "db", "upgrade", env.pop("NEWER_REVISION")]
    env.pop("NEWER_RELEASE")
    subprocess.run(words, env=env, check=True, cwd=newer)


@pytest.fixture(scope="session", autouse=True)
def _newer_schema() -> None:
    from app.postgres import schema  # noqa: PLC0415

    schema.upgrade = _upgrade
