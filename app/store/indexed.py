"""The tables of terms: what jobs are found by at once."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, PrimaryKeyConstraint, Table, text

from app.domain.terms import FillStatus
from app.store.columns import NAME, WHEN, metadata, words

terms = Table(
    "terms",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("term", NAME, nullable=False),
    Column("number", BigInteger, nullable=False),
    # In the order of an answer: jobs with a term by their numbers.
    PrimaryKeyConstraint("queue", "term", "number", name="terms_pkey"),
)
"""Which jobs have which tags, and values at the keys of their queue (`app/domain/terms.py`). A row never changes."""


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


term_fills = Table(
    "term_fills",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("path", NAME, nullable=False),
    Column("status", NAME, nullable=False, server_default=text("'waiting'")),
    Column("is_wanted", Boolean, nullable=False, server_default=text("true")),  # false: its terms are taken away
    _number("at"),  # the number of the last job that was looked at
    _number("until"),  # jobs with higher numbers were added with their terms
    _number("looked_at"),
    Column("waiting_since", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    PrimaryKeyConstraint("queue", "path", name="term_fills_pkey"),
    CheckConstraint(f"status in ({words(FillStatus)})", name="term_fills_status"),
)
"""How far the terms of jobs are that were there before: a row for each key of a queue, and one for the tags of all
queues, whose queue and path are empty. Without a row nothing is known of them."""
