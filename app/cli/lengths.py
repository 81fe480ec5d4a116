"""Arguments of commands that are lengths of time."""

import re
from datetime import timedelta
from typing import Any

import click

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Since(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A length of time: 90s, 30m, 24h, 7d, 2w."""

    name = "LENGTH"
    wanted = "a length of time such as 30m, 24h or 7d"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse the length; the default is a timedelta already."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([1-9]\d{0,5})([smhdw])", value)
        if not found:
            self.fail(f"{value!r} is not {self.wanted}", param, ctx)
        return timedelta(**{UNITS[found[2]]: int(found[1])})
