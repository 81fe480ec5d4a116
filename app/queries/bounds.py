"""Limits results by bytes in PostgreSQL, so that rows beyond the limit are never transferred."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, bindparam, func, literal_column, select

MAX_BYTES = "max_bytes"
"""The parameter with the limit in bytes."""


def within(found: FromClause, *, by: str, is_descending: bool = False) -> Select[Any]:
    """Select the first rows of `found`, in the order of its column `by`, whose `bytes` sum up to at most the limit.

    At least one row; `over` is 0 for these. One more row, with an `over` of 1, shows that the limit ended the result.
    PostgreSQL stops there: the sizes of the following rows are not computed.
    """
    summed = select(found, func.sum(found.c.bytes).over(**_up_to_here(found, by, is_descending)).label("total"))
    first = summed.subquery("summed")
    is_over = (first.c.total > bindparam(MAX_BYTES)) & (first.c.total > first.c.bytes)
    counted = func.count().filter(is_over).over(**_up_to_here(first, by, is_descending)).label("over")
    rows = select(first, counted).subquery("counted")
    return select(rows).where(rows.c.over <= literal_column("1")).order_by(_order(rows, by, is_descending))


def _up_to_here(found: FromClause, by: str, is_descending: bool) -> dict[str, Any]:  # noqa: FBT001 - of `within` alone
    return {"order_by": _order(found, by, is_descending), "rows": (None, 0)}


def _order(found: FromClause, by: str, is_descending: bool) -> ColumnElement[Any]:  # noqa: FBT001 - of `within` alone
    return found.c[by].desc() if is_descending else found.c[by].asc()
