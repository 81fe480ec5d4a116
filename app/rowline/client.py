"""The client of the HTTP API."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar, Unpack

from rowline import find
from rowline.doctor import Diagnosis
from rowline.endpoints import EndpointInfo, Endpoints
from rowline.errors import RowlineError
from rowline.events import Asked, Events
from rowline.given import strings
from rowline.plans import PlanInfo
from rowline.queue import Queue
from rowline.queueinfo import UNCHANGED, Kept, Queues, Unchanged, settings_json
from rowline.running import Running
from rowline.schedules import ScheduleInfo
from rowline.transport import Call, Transport, quoted
from rowline.values import Audit, IssuedToken, JobInfo, TokenInfo, Tokens

R = TypeVar("R")
TIMEOUT_S = 30.0


class Rowline:
    """A Rowline service. Create one and reuse it: it pools connections. Safe to use from many threads.

    While the service is away or busy, calls are retried within `timeout_s`, where that is safe. Proxy variables of the
    environment are ignored, and redirects are not followed.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = TIMEOUT_S,
        on_retry: Callable[[RowlineError], object] | None = None,
    ) -> None:
        """Take the URL of the service, such as http://127.0.0.1:8080, and an API token. Raises ValueError.

        Connects on the first call. `timeout_s` limits a whole call with its retries; a single try ends when the service
        does not respond for a third of it. `on_retry` is called, in the thread of the call, with the
        error of each try that is retried.
        """
        self._transport = Transport(url, token, timeout_s=timeout_s, on_retry=on_retry)

    @classmethod
    def from_env(cls, *, timeout_s: float = TIMEOUT_S) -> Self:
        """Make a client by ROWLINE_URL and ROWLINE_TOKEN of the environment. Raises ValueError."""
        return cls(os.environ.get("ROWLINE_URL", ""), os.environ.get("ROWLINE_TOKEN", ""), timeout_s=timeout_s)

    def queue(self, name: str) -> Queue:
        """Return a queue; it need not exist. Raises ValueError for an invalid name."""
        return Queue(self._transport, name)

    def queues(
        self,
        *,
        pattern: str = "*",
        start: int = 0,
        length: int = 10,
        after: str = "",
        order: str = "name",
        minutes: bool = False,
    ) -> Queues:
        """Return some queues that have jobs or set something, by name; `length` is at most 100.

        In `pattern` `*` stands for any characters. Those that the token may not read are left out. `after`: only those
        with later names. `order` "attention": first those that need a person. `minutes`: with their `minutes`.
        """
        query = {"pattern": pattern, "start": start, "length": length, "after": after, "order": order}
        query |= {"include": "minutes"} if minutes else {}
        return self._send("GET", "/queues", query=query, read=Queues.of)

    def jobs(self, **wanted: Unpack[find.Wanted]) -> Iterator[JobInfo]:
        """Find jobs of all queues that the token may read, as `Queue.jobs` does; each has its `queue`."""
        return find.follow(lambda query: self._send("GET", "/jobs", query=query, read=find.Found.of), **wanted)

    def running(self, queue: str | None = None, *, start: int = 0, length: int = 10) -> Running:
        """Return jobs that run now, those that run longest first: of all queues that the token may read, or of one."""
        query = {"start": start, "length": length} | ({} if queue is None else {"queue": queue})
        return self._send("GET", "/running", query=query, read=Running.of)

    def plans(self, *, start: int = 0, length: int = 10) -> tuple[PlanInfo, ...]:
        """Return plans of all queues that the token may read: first those that go on by themselves, then the newest."""
        return self._send("GET", "/plans", query={"start": start, "length": length}, read=PlanInfo.all_of)

    def schedules(self, *, pattern: str = "*", start: int = 0, length: int = 10) -> tuple[ScheduleInfo, ...]:
        """Return schedules of all queues that the token may read, by queue and id; `length` is at most 100.

        In `pattern`, of names of queues, `*` stands for any characters.
        """
        query = {"pattern": pattern, "start": start, "length": length}
        return self._send("GET", "/schedulers", query=query, read=ScheduleInfo.all_of)

    def events(self, *, queues: Iterable[str] = (), **asked: Unpack[Asked]) -> Events:
        """Open a stream of the events of `queues`, or of all that the token may see; a name may end with `*`.

        It resumes by itself: no event is missed, but for those that a `gap` tells of.
        """
        return Events(self._transport, "/events", queues=strings(queues, "queues"), **asked)

    def endpoints(self) -> dict[str, str]:
        """Return the URLs of the endpoints, by queue; those that the token may manage."""
        return self._send("GET", "/workers", read=dict)

    def register_endpoint(
        self,
        queue: str,
        url: str,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        timeout_ms: int | None = None,
        secrets: Iterable[str] | None = None,
        **opts: Any,
    ) -> str | None:
        """Register the endpoint of a queue, or replace it; one that was switched off is on again.

        `opts`: concurrency, limiter, maxStalledCount, removeOnComplete, removeOnFail, as in the API. Return the secret
        that signs the calls, if the service made one: it is shown only here. Not retried if the response may be lost.
        """
        given = {"headers": headers, "timeout": timeout_ms, "secrets": None if secrets is None else [*secrets]}
        endpoint = {"url": url, "method": method} | {name: value for name, value in given.items() if value is not None}
        body = {"queue": queue, "endpoint": endpoint} | ({"opts": opts} if opts else {})
        answer = self._transport.send(Call(method="POST", path="/workers", body=body, is_repeatable=False))
        return answer.headers.get("Rowline-Webhook-Secret")

    def endpoint_states(self, *, pattern: str = "*", start: int = 0, length: int = 10) -> Endpoints:
        """Return endpoints that the token may manage, by queue: which are switched off, since when and why.

        In `pattern`, of names of queues, `*` stands for any characters; `length` is at most 100.
        """
        query = {"pattern": pattern, "start": start, "length": length}
        return self._send("GET", "/endpoints", query=query, read=Endpoints.of)

    def endpoint(self, queue: str) -> EndpointInfo:
        """Return the endpoint of a queue. Raises NotFound."""
        return self._send("GET", f"/queues/{quoted(queue)}/endpoint", read=EndpointInfo.of)

    def switch_on_endpoint(self, queue: str) -> EndpointInfo:
        """Switch the endpoint of a queue on; one that is on stays as it is. Raises NotFound."""
        return self._send("POST", f"/queues/{quoted(queue)}/endpoint/switch-on", read=EndpointInfo.of)

    def remove_endpoint(self, queue: str) -> None:
        """Remove the endpoint of a queue. Raises NotFound, also if the response to an earlier try was lost."""
        self._transport.send(Call(method="DELETE", path=f"/workers/{quoted(queue)}"))

    def settings(self) -> dict[str, Any]:
        """Return the settings of the service that are set: they hold for queues that have none of their own."""
        return self._send("GET", "/settings", read=dict)

    def change_settings(
        self, *, remove_on_complete: Kept | Unchanged = UNCHANGED, remove_on_fail: Kept | Unchanged = UNCHANGED
    ) -> dict[str, Any]:
        """Change the settings of the service that are given; None takes one away. Return all that are set."""
        return self._send("PATCH", "/settings", body=settings_json(remove_on_complete, remove_on_fail), read=dict)

    def create_token(
        self,
        name: str,
        scopes: Iterable[str],
        *,
        expires_on: int | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> IssuedToken:
        """Create an API token; its secret is in the result only.

        `limits`: requestsPerS, jobsPerS, waitingJobs, streams. Not retried if the response may be lost: the token that
        nobody knows would stay valid. Raises Unauthorized if it would have a scope that the token of this client lacks.
        """
        body: dict[str, Any] = {"name": name, "scopes": strings(scopes, "scopes")}
        body |= {} if expires_on is None else {"expiresOn": expires_on}
        body |= {} if limits is None else {"limits": dict(limits)}
        return self._send("POST", "/tokens", body=body, is_repeatable=False, read=_issued)

    def tokens(self, *, start: int = 0, length: int = 10) -> Tokens:
        """Return some API tokens, the newest first; `length` is at most 100."""
        return self._send("GET", "/tokens", query={"start": start, "length": length}, read=Tokens.of)

    def rotate_token(self, token_id: str) -> IssuedToken:
        """Give a token another secret, in place of a second one. Both are valid until the rotation is finished."""
        return self._send("POST", f"/tokens/{quoted(token_id)}/rotate", read=_issued)

    def finish_token_rotation(self, token_id: str) -> TokenInfo:
        """Make the second secret of a token its only one. Raises Conflict if it has none."""
        path = f"/tokens/{quoted(token_id)}/finish-rotation"
        return self._send("POST", path, is_repeatable=False, read=TokenInfo.of)

    def revoke_token(self, token_id: str) -> TokenInfo:
        """Revoke a token: it is refused everywhere within 5 s. Raises NotFound."""
        return self._send("DELETE", f"/tokens/{quoted(token_id)}", read=TokenInfo.of)

    def audit(
        self,
        *,
        since: int | None = None,
        actor: str | None = None,
        action: str | None = None,
        queue: str | None = None,
        target: str | None = None,
        before: int | None = None,
        length: int = 10,
    ) -> Audit:
        """Return some acts, the newest first, of those that match; `length` is at most 100.

        `actor`: its id or the name of a token; `target`: the id of a job, a plan, a schedule or a token; `before`: only
        acts with a lower number, such as `next`.
        """
        asked = {"since": since, "actor": actor, "action": action, "queue": queue, "target": target}
        asked |= {"before": before, "length": length}
        query = {name: value for name, value in asked.items() if value is not None}
        return self._send("GET", "/audit", query=query, read=Audit.of)

    def doctor(self) -> Diagnosis:
        """Return what is wrong with the database and the nodes, and what to do. May take some seconds."""
        return self._send("GET", "/doctor", read=Diagnosis.of)

    def _send(self, method: str, path: str, *, read: Callable[[Any], R], **more: Any) -> R:
        return self._transport.send(Call(method=method, path=path, **more)).read(read)

    def close(self) -> None:
        """Close all connections. Waiting claims return the jobs that the service has already leased to them."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _issued(response: Mapping[str, Any]) -> IssuedToken:
    return IssuedToken.of(response, token=response["token"])
