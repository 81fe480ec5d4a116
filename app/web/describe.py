"""Descriptions of routes, written at the routes: for the OpenAPI document, and the action that a token must allow."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask
from marshmallow import Schema

from app.domain.errors import RowlineError
from app.domain.tokens import Action
from app.postgres.database import DatabaseError

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "rowline_description"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The request and the responses of a route; its summary is the first line of the function's docstring."""

    action: Action | None = None  # that the API token must allow, on the queue of the path if there is one
    body: type[Schema] | dict[str, Any] | None = None  # a marshmallow schema or a JSON Schema
    body_many: bool = False  # the body is an array of these
    body_required: bool = True
    by_attempt: bool = False  # it is authorized by the token of an attempt, not by an API token
    query: type[Schema] | None = None
    headers: tuple[str, ...] = ()  # of the request, by their keys in `openapi.REQUEST_HEADERS`
    gives: Schema | str = ""  # the schema of a JSON response, or the media type of any other
    gives_many: bool = False
    creates: bool = False  # the status is 201 if something new was made
    gives_headers: tuple[str, ...] = ()  # besides those of every response
    raises: tuple[type[RowlineError | DatabaseError], ...] = ()  # Rowline's errors, in `problems.STATUSES`
    statuses: tuple[int, ...] = ()  # of other error responses, 400 and above
    example: Mapping[str, Any] = field(default_factory=dict)  # "body" and "answer"


def route(**members: Any) -> Callable[[View], View]:
    """Describe the function below; the members are those of `Description`."""
    description = Description(**members)

    def note(view: View) -> View:
        setattr(view, _ATTRIBUTE, description)
        return view

    return note


def of(view: Callable[..., Any]) -> Description:
    """Return the description of a route. Raises LookupError if it has none."""
    found = getattr(view, _ATTRIBUTE, None)
    if not isinstance(found, Description):
        raise LookupError(  # noqa: TRY004 -- the attribute is missing, not of a wrong type
            f"{view.__name__} has no description: add @describe.route"
        )
    return found


Actions = dict[str | None, Action]
"""The action of each route that needs an API token, by its name."""


def actions(flask: Flask, *, besides: Collection[str]) -> Actions:
    """Return the action of each route but those of the blueprints `besides`. Raises LookupError for one without."""
    found = Actions()
    for name, view in flask.view_functions.items():
        if name.split(".")[0] in besides:
            continue
        action = of(view).action
        if action is None:
            raise LookupError(f"{name} has no action: name it in @describe.route")
        found[name] = action
    return found
