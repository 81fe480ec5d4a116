"""What a route takes and gives, said at the route itself. Nothing here has an effect while requests are answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from marshmallow import Schema

from app.domain.errors import RowlineError
from app.infra.database import DatabaseError

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "rowline_description"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A route as its clients see it; its summary is the first line of the function's docstring."""

    body: type[Schema] | dict[str, Any] | None = None  # a schema, marshmallow's or JSON Schema
    body_many: bool = False  # the body is an array of these
    body_required: bool = True
    by_attempt: bool = False  # the token that it asks for is that of an attempt
    query: type[Schema] | None = None
    headers: tuple[str, ...] = ()  # of the request, by their keys in `openapi.REQUEST_HEADERS`
    gives: Schema | str = ""  # the schema of a JSON answer, or the media type of any other
    gives_many: bool = False
    gives_headers: tuple[str, ...] = ()  # besides those that every answer has
    raises: tuple[type[RowlineError | DatabaseError], ...] = ()  # errors of ours, in `problems.STATUSES`
    statuses: tuple[int, ...] = ()  # of other answers, 400 and above
    example: Mapping[str, Any] = field(default_factory=dict)  # "body" and "answer"


def route(**members: Any) -> Callable[[View], View]:
    """Describe the function below; the members are those of `Description`."""
    description = Description(**members)

    def note(view: View) -> View:
        setattr(view, _ATTRIBUTE, description)
        return view

    return note


def of(view: Callable[..., Any]) -> Description:
    """Return what is said at a route. Raises LookupError where nothing is."""
    found = getattr(view, _ATTRIBUTE, None)
    if not isinstance(found, Description):
        raise LookupError(  # noqa: TRY004 -- what is missing, not of a wrong type
            f"{view.__name__} does not say what it takes and gives: add @describe.route"
        )
    return found
