"""A cookie is found in its field as browsers write it, and in nothing that only looks like it."""

import pytest
from flask import Request

from app.web.dashboard import cookies


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (None, ""),
        ("", ""),
        ("rowline=one", "one"),
        ("a=1; rowline=one; b=2", "one"),
        ("a=1;rowline=one;b=2", "one"),
        ("rowline-theme=dark; rowline=one", "one"),
        ("__Host-rowline=two; rowline=one", "one"),
        ("rowline=one; rowline=two", "one"),
        ("rowline=", ""),
        ("rowline", ""),
        ("a=rowline=one", ""),
        ("a=1 rowline=one", ""),
        ("__Host-rowline=two", ""),
        ("xrowline=two; rowlinex=three", ""),
        ("a=1, rowline=one", ""),
    ],
)
def test_a_cookie_is_found_by_its_whole_name(field: str | None, value: str) -> None:
    environ = {} if field is None else {"HTTP_COOKIE": field}
    assert cookies.named(Request(environ), "rowline") == value
