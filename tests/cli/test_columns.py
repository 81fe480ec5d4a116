"""Columns that people read: what programs sent imitates none."""

import pytest

from app.cli import columns, tokens


@pytest.mark.parametrize("text", ["x  revoked", "x   y", "  x", "x\x1b[31m", "x\u202ey", "x\ny", "x\u00a0 y", "x\t\ty"])
def test_no_text_imitates_columns_or_control_sequences(text: str) -> None:
    line = columns.line(["id", text, "", "end"])

    assert line.isprintable()
    assert len(line.split("  ")) == 3
    assert columns.line(["id", "a name of words", "end"]) == "id  a name of words  end"


def test_the_line_of_a_token_has_its_columns_only() -> None:
    scopes = ["jobs:add@x  expires 2020-01-01 00:00Z  expired", "work@\u202eab"]
    token = {"id": "absent00", "name": "y  revoked", "scopes": scopes, "limits": {}, "rotating": False}
    line = tokens._line(token)  # noqa: SLF001 - a program would have to be started to see it

    assert line.isprintable()
    assert [part.split(" ")[0] for part in line.split("  ")] == ["absent00", "jobs:add@x", "y"]
