"""Who acts in tests that call operations themselves."""

from app.domain.audit import Actor

ACTOR = Actor(id="cli:test")
