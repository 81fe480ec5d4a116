"""Fields of answers whose values JSON has in another form."""

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
    """A field of an answer that is written otherwise than it is held."""

    write: Callable[[V], Any]
    """Gives what JSON has of a value. An attribute, for a call less: it runs thousands of times a second."""

    def _serialize(self, value: V | None, *_: Any, **__: Any) -> Any:
        return None if value is None else self.write(value)


class Json(Written[JsonText]):
    """Any JSON value, given back as the text it was sent as."""

    write = staticmethod(orjson.Fragment)


class Milliseconds(Written[datetime]):
    """A moment, as integer milliseconds since the epoch."""

    write = staticmethod(milliseconds)
