"""Releases of this repository: the one that stands here, and an earlier one, taken out of git into a folder."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.clusters import PYTHON, ROOT, Program

NAMED = ROOT / "tests" / "migrations" / "earlier_release"


@dataclass(frozen=True, kw_only=True)
class Release:
    """The code of one commit, run with the packages of this one."""

    folder: Path
    about: str

    @property
    def env(self) -> dict[str, str]:
        """What makes Python take the code from that folder."""
        return {"PYTHONPATH": f"{self.folder}:{self.folder / 'app'}"}

    @property
    def revision(self) -> str:
        """The revision of the schema that it was written for."""
        package = "postgres" if (self.folder / "app" / "postgres").exists() else "infra"  # where it was up to 0010
        asked = [*PYTHON, "-c", f"from app.{package} import schema; print(schema.__file__, schema.head())"]
        with Program(asked, env=self.env) as program:
            assert program.end() == 0, program.output
        file, revision = program.output.split()
        assert Path(file).is_relative_to(self.folder), f"not the code of {self.folder}: {file}"
        return revision

    def rowline(self, *words: str | Path, env: Mapping[str, str]) -> Program:
        """Start its command `rowline`, in its folder: gunicorn looks for code where it is started, and there first."""
        return Program([*PYTHON, "-m", "app", *words], env=self.env | dict(env), folder=self.folder)


PRESENT = Release(folder=ROOT, about="what stands here")


@contextlib.contextmanager
def earlier() -> Iterator[Release]:
    """Give the release that `tests/migrations/earlier_release` names, during the block."""
    commit = NAMED.read_text().split()[0]
    with tempfile.TemporaryDirectory(prefix="rowline-earlier-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
        title = subprocess.run(
            ["git", "log", "-1", "--format=%h, %s", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
        yield Release(folder=folder, about=title.stdout.strip())
