"""Signatures of calls, as Standard Webhooks (standardwebhooks.com) has them: symmetric, `v1`."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
SECRETS_MAX = 2  # the one in use and the one before it, while receivers change over


def secret(key: bytes) -> str:
    """Write a key as receivers are given it."""
    return PREFIX + base64.b64encode(key).decode()


def secret_fault(text: str) -> str | None:
    """Say what keeps `text` from being a secret, as a predicate that does not repeat it; None if nothing does."""
    try:
        size = len(_key(text))
    except ValueError:
        size = -1
    if not text.startswith(PREFIX) or not LEAST_BYTES <= size <= MOST_BYTES:
        return f"must be {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64"
    return None


def headers(secrets: Sequence[str], *, webhook_id: str, sent_at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove who sent `body` and when: one signature for each secret.

    `webhook_id` has no dot and is the same at each attempt; `sent_at_s` is in seconds since the epoch.
    """
    signed = f"{webhook_id}.{sent_at_s}.".encode() + body
    signatures = [hmac.digest(_key(text), signed, hashlib.sha256) for text in secrets]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }


def _key(text: str) -> bytes:
    """Read a secret. Raises ValueError."""
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("is no base64") from error
