"""Options of commands that set how long finished jobs are kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from app.cli import terminal
from app.domain import retention
from app.domain.retention import AGE_MAX_S, COUNT_MAX, SETTINGS, Keep

Command = TypeVar("Command", bound=Callable[..., Any])
UNCHANGED = Keep(age_s=-1)
"""The default of an option: the setting stays as it is."""


class Kept(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """Which finished jobs are kept: 7d, 1000, 7d,1000, all, none, or unset."""

    name = "KEPT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Keep | None:
        """Read it; None for `unset`."""
        if isinstance(value, Keep):
            return value
        if value == "unset":
            return None
        try:
            keep = retention.of_words(value)
        except ValueError:
            self.fail(f"{value!r} is not as 7d, 1000, 7d,1000, all, none or unset", param, ctx)
        if (keep.age_s or 0) > AGE_MAX_S or (keep.count or 0) > COUNT_MAX:
            self.fail(f"{value!r} is more than ten years, or than {COUNT_MAX} jobs", param, ctx)
        return keep


def options(command: Command) -> Command:
    """Add --remove-on-complete, --remove-on-fail and --yes."""
    command = click.option("--yes", is_flag=True, help="Do not ask before jobs go.")(command)
    for field, status in (("on_fail", "failed"), ("on_complete", "completed")):
        told = f"Which {status} jobs are kept: 7d, 1000, 7d,1000, all, none, or unset."
        name = f"--remove-{field.replace('_', '-')}"
        command = click.option(name, field, type=Kept(), default=UNCHANGED, show_default=False, help=told)(command)
    return command


def given(
    keeps: Mapping[str, Keep | None], *, is_enough: bool = False, others: Sequence[str] = ()
) -> dict[str, Keep | None]:
    """Return the settings that were given. Raises UsageError if none was, unless one of the `others` `is_enough`."""
    found = {field: keep for field, keep in keeps.items() if keep != UNCHANGED}
    if not found and not is_enough:
        raise click.UsageError(f"give one of {', '.join(('--remove-on-complete', '--remove-on-fail', *others))}")
    return found


def members(wanted: Mapping[str, Keep | None]) -> dict[str, str]:
    """Return settings as members of the API, which are JSON."""
    names = {field: name for name, field in SETTINGS.items()}
    return {names[field]: json.dumps(None if keep is None else keep.json) for field, keep in wanted.items()}


def confirm(wanted: Mapping[str, Keep | None], *, whose: str, yes: bool) -> None:
    """Ask on a terminal before jobs of any age go: `3` may be a slip for `3d`. `whose` jobs: `'mail'`, `each queue`."""
    jobs = {"on_complete": "completed jobs", "on_fail": "failed jobs"}
    found = (keep and retention.sudden(keep, jobs=jobs[field], whose=whose) for field, keep in wanted.items())
    sudden = [told for told in found if told]
    if sudden and not yes and terminal.is_there():
        click.confirm(f"{' '.join(sudden)} Go on?", abort=True, err=True)
