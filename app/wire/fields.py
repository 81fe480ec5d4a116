"""Fields of responses whose JSON form differs from their Python values."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
from marshmallow import fields

from app.domain.job import JsonText

V = TypeVar("V")


def milliseconds(moment: datetime) -> int:
    """Return the whole milliseconds from the epoch to `moment`."""
    return int(moment.timestamp() * 1000)


class Written(fields.Field[V], Generic[V]):
    """A field of a response that `write` converts."""

    write: Callable[[V], Any]
    """Converts a value for JSON. An attribute saves a method call: it runs thousands of times a second."""

    def _serialize(self, value: V | None, *_: Any, **__: Any) -> Any:
        return None if value is None else self.write(value)


class Json(Written[JsonText]):
    """Any JSON value, returned as the text that was sent."""

    write = staticmethod(orjson.Fragment)


class Milliseconds(Written[datetime]):
    """A time, as integer milliseconds since the epoch."""

    write = staticmethod(milliseconds)
