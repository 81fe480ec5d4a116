"""Options of commands that set how long finished jobs are kept."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from app.cli import terminal
from app.domain.retention import AGE_MAX_S, COUNT_MAX, FOR_EVER, SETTINGS, Keep

Command = TypeVar("Command", bound=Callable[..., Any])
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
UNCHANGED = Keep(age_s=-1)
"""The default of an option: the setting stays as it is."""


class Kept(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """Which finished jobs are kept: 7d, 1000, 7d,1000, all, none, or unset."""

    name = "KEPT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Keep | None:
        """Read it; None for `unset`."""
        words = {"all": FOR_EVER, "none": Keep(count=0), "unset": None}
        if isinstance(value, Keep):
            return value
        if value in words:
            return words[value]
        found = re.fullmatch(r"(?:(\d{1,10})([smhdw]))?(?:(?(1),)(\d{1,10}))?", value)
        if not found or not value:
            self.fail(f"{value!r} is not as 7d, 1000, 7d,1000, all, none or unset", param, ctx)
        age_s = int(found[1]) * UNITS_S[found[2]] if found[1] else None
        count = int(found[3]) if found[3] else None
        if (age_s or 0) > AGE_MAX_S or (count or 0) > COUNT_MAX:
            self.fail(f"{value!r} is more than ten years, or than {COUNT_MAX} jobs", param, ctx)
        return Keep(age_s=age_s, count=count)


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
    sudden = [told for field, keep in wanted.items() if keep and (told := _sudden(keep, field, whose))]
    if sudden and not yes and terminal.is_there():
        click.confirm(f"{' '.join(sudden)} Go on?", abort=True, err=True)


def _sudden(keep: Keep, field: str, whose: str) -> str | None:
    """Return what goes at once if it is not told by an age; else None."""
    jobs = "completed jobs" if field == "on_complete" else "failed jobs"
    if 0 in {keep.age_s, keep.count}:
        return f"No {jobs} of {whose} are kept: all go now, for good."
    if keep.count is not None and keep.age_s is None:
        return f"The {keep.count} newest {jobs} of {whose} are kept, all others go now, for good."
    return None
