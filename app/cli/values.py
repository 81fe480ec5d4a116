"""Arguments of commands that are JSON."""

import os
from typing import Any

import click

from app.domain.errors import RowlineError
from app.wire import objects


class JsonValue(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A JSON value, kept as the text that it is."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate the value."""
        try:
            return objects.read_value(os.fsencode(value))
        except RowlineError as error:
            self.fail(str(error), param, ctx)
