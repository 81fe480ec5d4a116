"""The tables of requests: API tokens, who did what, and responses that are kept."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, UUID

from app.domain.audit import ActOutcome
from app.domain.ids import QUEUE_NAME_MAX
from app.domain.keys import KEY_MAX
from app.domain.tokens import ID_LENGTH, LIMIT_MAX, NAME_MAX, SCOPES_MAX, STREAMS
from app.store.columns import DIGEST, NAME, WHEN, metadata, words

_LIMIT = f"between 1 and {LIMIT_MAX}"

tokens = Table(
    "tokens",
    metadata,
    Column("id", NAME, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(NAME), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("next_digest", LargeBinary),  # of the second secret, while the token is rotated
    Column("requests_per_s", Integer),
    Column("jobs_per_s", Integer),
    Column("waiting_jobs", Integer),
    Column("streams", Integer, nullable=False, server_default=text(str(STREAMS))),
    Column("created_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    Column("expires_at", WHEN),
    Column("revoked_at", WHEN),
    PrimaryKeyConstraint("id", name="tokens_pkey"),
    CheckConstraint(f"id ~ '^[0-9A-Za-z]{{{ID_LENGTH}}}$'", name="tokens_id"),
    CheckConstraint(f"char_length(name) between 1 and {NAME_MAX}", name="tokens_name"),
    CheckConstraint(f"cardinality(scopes) between 1 and {SCOPES_MAX}", name="tokens_scopes"),
    CheckConstraint(f"octet_length(digest) = {DIGEST} and octet_length(next_digest) = {DIGEST}", name="tokens_digest"),
    CheckConstraint(
        f"requests_per_s {_LIMIT} and jobs_per_s {_LIMIT} and waiting_jobs {_LIMIT}",
        name="tokens_limits",
    ),
    CheckConstraint(f"streams {_LIMIT}", name="tokens_streams"),
)
"""API tokens, by their SHA-256. Revoked and expired ones stay."""

token_changes = Table(
    "token_changes",
    metadata,
    Column("is_only", Boolean, nullable=False, server_default=text("true")),
    Column("mark", UUID(as_uuid=False), nullable=False, server_default=text("gen_random_uuid()")),
    PrimaryKeyConstraint("is_only", name="token_changes_pkey"),
    CheckConstraint("is_only", name="token_changes_is_only"),
)
"""At most one row, with a random mark, which changes when a secret ceases to be valid.

What was read beside a mark is true while that is the mark. It is no number: after a restore one could come again.
"""

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, nullable=False),
    Column("token_id", NAME, nullable=False),  # "" of AUTH_TOKENS
    Column("token_digest", LargeBinary, nullable=False),
    Column("address", NAME),
    Column("began_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    Column("seen_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    PrimaryKeyConstraint("digest", name="sessions_pkey"),
    CheckConstraint(
        f"octet_length(digest) = {DIGEST} and octet_length(token_digest) = {DIGEST}", name="sessions_digest"
    ),
)
"""The sessions of the dashboard, by the SHA-256 of the cookie; each is valid as long as the token that was shown."""

sign_in_codes = Table(
    "sign_in_codes",
    metadata,
    Column("digest", LargeBinary, nullable=False),
    Column("made_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    PrimaryKeyConstraint("digest", name="sign_in_codes_pkey"),
    CheckConstraint(f"octet_length(digest) = {DIGEST}", name="sign_in_codes_digest"),
)
"""The codes of links that sign in once, by their SHA-256."""

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    Column("actor", NAME, nullable=False),
    Column("actor_name", Text),
    Column("address", NAME),
    Column("request_id", NAME),
    Column("action", NAME, nullable=False),
    Column("queue", NAME),
    Column("target", NAME),
    Column("affected", BigInteger, nullable=False, server_default=text("1")),
    Column("before", JSON),
    Column("after", JSON),
    Column("outcome", NAME, nullable=False, server_default=text(f"'{ActOutcome.DONE}'")),
    PrimaryKeyConstraint("number", "at", name="audit_pkey"),
    CheckConstraint(f"outcome in ({words(ActOutcome)})", name="audit_outcome"),
    CheckConstraint("isfinite(at)", name="audit_at"),
    postgresql_partition_by="range (at)",
)
"""Who did what, by month. The run-time role can add rows and read them, and change none."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("token_digest", LargeBinary, nullable=False),
    Column("key", NAME, nullable=False),
    Column("body_digest", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("answered_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    PrimaryKeyConstraint("queue", "token_digest", "key", name="idempotency_keys_pkey"),
    CheckConstraint(f"char_length(queue) between 1 and {QUEUE_NAME_MAX}", name="idempotency_keys_queue"),
    CheckConstraint(f"octet_length(token_digest) = {DIGEST}", name="idempotency_keys_token_digest"),
    CheckConstraint(f"char_length(key) between 1 and {KEY_MAX}", name="idempotency_keys_key"),
    CheckConstraint(f"octet_length(body_digest) = {DIGEST}", name="idempotency_keys_body_digest"),
)
"""The responses stored under idempotency keys, written in the transaction of their jobs."""

Index("idempotency_keys_answered", idempotency_keys.c.answered_at)
