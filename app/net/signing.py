"""Signatures of calls by Standard Webhooks (standardwebhooks.com): symmetric, `v1`."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
SECRETS_MAX = 2  # the current one and the previous one, during a rotation


def secret(key: bytes) -> str:
    """Return a key in the format for receivers, `whsec_…`."""
    return PREFIX + base64.b64encode(key).decode()


def secret_fault(text: str) -> str | None:
    """Return why `text` is not a valid secret, as a predicate that does not repeat it; None if it is."""
    try:
        size = len(_key(text))
    except ValueError:
        size = -1
    if not text.startswith(PREFIX) or not LEAST_BYTES <= size <= MOST_BYTES:
        return f"must be {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64"
    return None


def headers(secrets: Sequence[str], *, webhook_id: str, sent_at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that authenticate `body` and its time: one signature per secret.

    `webhook_id` has no dot and is the same for all attempts; `sent_at_s` is in seconds since the epoch.
    """
    signed = f"{webhook_id}.{sent_at_s}.".encode() + body
    signatures = [hmac.digest(_key(text), signed, hashlib.sha256) for text in secrets]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }


def _key(text: str) -> bytes:
    """Decode a secret. Raises ValueError."""
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("is not base64") from error
