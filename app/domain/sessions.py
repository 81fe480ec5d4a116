"""Sessions of the dashboard: a cookie in place of the token that was typed once. Secrets are kept by digest."""

import hmac
import secrets
from dataclasses import dataclass

from app.domain import tokens

LONGEST_S, IDLE_S = 12 * 3600, 3600
"""A session ends so long after it began, and so long after it was seen last."""
CODE_S = 60
"""How long a link signs in, once."""
TOUCH_S = 60
"""A session is noted as seen at most once in so many seconds: reading pages must not write."""
_FORM = b"form"


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of a token that was shown: the id that it claims, "" for none, and its SHA-256."""

    token_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Session:
    """A session as stored: by which token, and whether it is time to note that it was seen."""

    shown: Shown
    is_to_touch: bool


def secret() -> str:
    """Return a new secret, at random: of a cookie, or of a link."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Return what is stored of a secret, whatever a browser sent as one."""
    return tokens.digest(secret.encode("utf-8", "surrogatepass"))


def form_token(secret: str) -> str:
    """Return what each form of a session holds, so that no other site can make one."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), _FORM, "sha256").hexdigest()


def is_form_token(secret: str, sent: str) -> bool:
    """Whether a form is of this session; in constant time."""
    return hmac.compare_digest(form_token(secret).encode(), sent.encode("utf-8", "surrogatepass"))
