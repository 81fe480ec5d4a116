"""What is stored of an endpoint."""

from typing import Any

from app.domain.endpoint import Limiter, NewEndpoint
from app.postgres.database import Connection
from app.store import endpoints
from app.store.endpoints import Sealed


def registered(conn: Connection, nth: int) -> tuple[Any, ...]:
    """Register the endpoint of a queue, everything as `nth` says; return what is stored."""
    sealed = Sealed(headers=b"%d" % nth, secrets=b"s%d" % nth)
    where: dict[str, Any] = {"queue": "q", "url": f"https://{nth}.example/", "headers": {}, "secrets": []}
    limits: dict[str, Any] = {"timeout_ms": 1_000 + nth, "concurrency": 10 + nth, "max_stalled_count": 20 + nth}
    limiter = Limiter(max_calls=30 + nth, window_ms=40 + nth)
    new = NewEndpoint(**where, **limits, method=["POST", "PUT"][nth], limiter=limiter, sees_payload=nth == 1)
    endpoints.register(conn, new=new, sealed=sealed)
    names = "url, method, headers, secrets, timeout_ms, concurrency, limiter_max, limiter_ms, max_stalled_count"
    names += ", sees_payload"
    return tuple(conn.exec_driver_sql(f"select {names} from rowline.endpoints where queue = 'q'").one())


def test_an_endpoint_that_is_registered_anew_has_nothing_of_the_one_before(conn: Connection) -> None:
    first = registered(conn, 0)
    second = registered(conn, 1)

    assert not [name for name, other in zip(first, second, strict=True) if name == other]
