"""A shop that sells plants, on a busy Friday: its queues, filled over HTTP, so that rows go the way of all rows."""

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

ROOT_TOKEN = "a-token-of-the-pictures"
LEASE_MS = 600_000
DAY_MS = 86_400_000
BETWEEN = 7
"""So many jobs of a queue end well between those that fail."""
PLANTS = ("Ficus lyrata", "Monstera deliciosa", "Boston fern", "Olive tree", "String of pearls", "Calathea orbifolia")
PEOPLE = ("ada", "grace", "linus", "margaret", "edsger", "barbara", "ken", "radia")
GATEWAY = """Traceback (most recent call last):
  File "/srv/shop/payments/handlers.py", line 41, in charge
    answer = gateway.capture(order.payment, amount=order.total)
  File "/srv/shop/payments/gateway.py", line 88, in capture
    return self._post("/captures", body, timeout=30)
  File "/srv/shop/payments/gateway.py", line 132, in _post
    raise GatewayTimeout(f"no answer from {self.host} after {timeout} s")
payments.gateway.GatewayTimeout: no answer from psp.example after 30 s"""
SMTP = """Traceback (most recent call last):
  File "/srv/shop/mail/handlers.py", line 27, in send
    smtp.send_message(message)
  File "/usr/lib/python3.11/smtplib.py", line 986, in send_message
    raise SMTPRecipientsRefused(refused)
smtplib.SMTPRecipientsRefused: {'grace@mail.example': (550, b'5.1.1 mailbox unavailable')}"""
FAILURES: dict[str, list[tuple[str, str, str, int]]] = {
    "payments": [
        ("charge", "GatewayTimeout: no answer from psp.example after 30 s", GATEWAY, 9),
        ("charge", "CardDeclined: insufficient funds", "payments.CardDeclined: insufficient funds", 4),
        ("refund", "KeyError: 'capture_id'", "  File \"refunds.py\", line 19, in refund\nKeyError: 'capture_id'", 1),
    ],
    "emails": [
        ("order-confirmed", "SMTPRecipientsRefused: 550 5.1.1 mailbox unavailable", SMTP, 5),
        ("order-shipped", "TemplateError: 'tracking_url' is undefined", "jinja2.exceptions.UndefinedError", 2),
    ],
    "images": [("resize", "OSError: cannot identify image file", "PIL.UnidentifiedImageError", 3)],
}
"""Of each queue: the name of the jobs, why they failed, where, and how many."""
WAITING = {"emails": 1_284, "images": 42, "newsletter": 5_400, "orders": 7, "exports": 3, "search-index": 118}
DONE = {"orders": 214, "emails": 900, "payments": 187, "images": 120, "search-index": 60, "inventory": 24}
RUNNING = {"orders": 4, "emails": 3, "images": 6, "payments": 2, "search-index": 1}
LOG = ("read 48 rows of the warehouse", "Ficus lyrata: 12 left", "Olive tree: sold out", "wrote 47 rows to the shop")


class Shop:
    """What a program and a person of the shop do, by the API."""

    def __init__(self, address: str) -> None:
        """Use the API at `address`."""
        self._address = address
        self.ids: dict[str, str] = {}  # of what the API names itself: tokens and plans

    def ask(self, method: str, path: str, body: Any = None, *, token: str = ROOT_TOKEN) -> Any:
        """Send a request; return the JSON of the response, None if it has none."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self._address + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith((b"{", b"[")) else None

    def open(self) -> None:
        """Fill the shop."""
        people = self._people()
        self._delayed()
        self._ended()
        self._running()
        self._schedules()
        self._waiting()
        self._endpoints()
        self._acts(people)
        self._plans(people["ada"])

    def _people(self) -> dict[str, str]:
        """Make the tokens; return the secrets of people."""
        wanted: dict[str, dict[str, Any]] = {
            "storefront": {"scopes": ["jobs:add", "jobs:read@orders"], "limits": {"requestsPerS": 200}},
            "mail-workers": {"scopes": ["work@emails", "work@newsletter"]},
            "grafana": {"scopes": ["metrics"]},
            "ada": {"scopes": ["*"]},
            "grace": {"scopes": ["dashboard", "jobs:read", "payload", "jobs:manage@emails", "queues:manage@emails"]},
            "old-importer": {"scopes": ["jobs:add@inventory"]},
        }
        secrets = {}
        for name, token in wanted.items():
            made = self.ask("POST", "/tokens", {"name": name} | token)
            self.ids[name], secrets[name] = made["id"], made["token"]
        self.ask("POST", f"/tokens/{self.ids['mail-workers']}/rotate")
        self.ask("DELETE", f"/tokens/{self.ids['old-importer']}")
        return secrets

    def _schedules(self) -> None:
        made: dict[str, dict[str, Any]] = {
            "stock-sync": {"every": 300_000, "template": {"name": "sync", "data": {"warehouse": "Vienna"}}},
            "nightly-report": {"pattern": "30 2 * * *", "tz": "Europe/Vienna", "template": {"name": "report"}},
            "price-import": {"pattern": "0 6 * * 1-5", "tz": "Europe/Vienna", "template": {"name": "import"}},
        }
        for name, schedule in made.items():
            self.ask("PUT", f"/queues/inventory/schedulers/{name}", schedule)
        self.ask("POST", "/queues/inventory/schedulers/price-import/pause")
        body = {"wait": 30_000, "worker": "inventory-worker:1"}
        self._finish(
            "inventory", self.ask("POST", "/queues/inventory/jobs/claim", body)["jobs"], returnvalue={"ok": True}
        )

    def _add(self, queue: str, count: int, name: str, prefix: str, *, first: int = 0, **opts: Any) -> None:
        """Add jobs with believable data, whose ids say what they are about."""
        jobs = [
            {"name": name, "data": _data(nth), "opts": {"jobId": f"{prefix}{nth}", "removeOnFail": False} | opts}
            for nth in range(first, first + count)
        ]
        for begin in range(0, count, 1_000):
            self.ask("POST", f"/queues/{queue}/jobs", jobs[begin : begin + 1_000])

    def _claim(self, queue: str, count: int, worker: str) -> list[dict[str, Any]]:
        body = {"count": count, "worker": worker, "lockDuration": LEASE_MS}
        found: list[dict[str, Any]] = self.ask("POST", f"/queues/{queue}/jobs/claim", body)["jobs"]
        assert len(found) == count, (queue, len(found))
        return found

    def _finish(self, queue: str, jobs: Sequence[dict[str, Any]], **ending: Any) -> None:
        done = [{"id": one["job"]["id"], "token": one["token"]} | ending for one in jobs]
        self.ask("POST", f"/queues/{queue}/jobs/finish", {"jobs": done})

    def _delayed(self) -> None:
        self._add("emails", 86, "review-reminder", "ema-7", delay=14 * DAY_MS)
        self._add("invoices", 31, "dunning", "inv-3", delay=14 * DAY_MS)

    def _ended(self) -> None:
        """Let jobs end: of each queue many well, then a group that failed, some well, the next group, and so on."""
        for queue, count in DONE.items():
            groups = FAILURES.get(queue, [])
            self._done(queue, 0, count - len(groups) * BETWEEN)
            for nth in reversed(range(len(groups))):
                self._fail(queue, nth, *groups[nth])
                self._done(queue, count - (nth + 1) * BETWEEN, BETWEEN)

    def _done(self, queue: str, first: int, count: int) -> None:
        self._add(queue, count, NAMES[queue], f"{queue[:3]}-1", first=first)
        self._finish(queue, self._claim(queue, count, f"{queue}-worker:1"), returnvalue={"ok": True})

    def _fail(self, queue: str, nth: int, name: str, reason: str, stack: str, count: int) -> None:
        attempts = 2 if nth else 3
        self._add(queue, count, name, f"{queue[:3]}-{48 + nth}0", attempts=attempts, backoff=0)
        for attempt in range(attempts):
            jobs = self._claim(queue, count, f"{queue}-worker:{1 + attempt % 2}")
            self._finish(queue, jobs, failedReason=reason, stacktrace=stack)

    def _running(self) -> None:
        for queue, count in RUNNING.items():
            self._add(queue, count, NAMES[queue], f"{queue[:3]}-52")
            for nth, lease in enumerate(self._claim(queue, count, f"{queue}-worker:{1}")):
                path = f"/queues/{queue}/jobs/{lease['job']['id']}"
                self.ask("POST", f"{path}/progress", 15 + 37 * nth % 80, token=lease["token"])
        self._add("inventory", 1, "sync", "stock-count-", tags=["warehouse"])
        [lease] = self._claim("inventory", 1, "inventory-worker:1")
        path = "/queues/inventory/jobs/stock-count-0"
        for line in LOG:
            self.ask("POST", f"{path}/logs", line, token=lease["token"])
        self.ask("POST", f"{path}/progress", 62, token=lease["token"])

    def _waiting(self) -> None:
        for queue, count in WAITING.items():
            self._add(queue, count, NAMES[queue], f"{queue[:3]}-6")

    def _endpoints(self) -> None:
        for queue, url in {"erp": "https://erp.example/hooks/orders", "payments": "https://pay.example/jobs"}.items():
            endpoint = {"url": url, "method": "POST"}
            self.ask("POST", "/workers", {"queue": queue, "endpoint": endpoint, "opts": {"concurrency": 10}})
        self._add("erp", 12, "order-paid", "erp-4")

    def _plans(self, token: str) -> None:
        wanted = {
            "planned": ("payments", "retry", {"statuses": ["failed"], "error": "no answer"}),
            "removing": ("search-index", "remove", {"statuses": ["waiting"]}),
        }
        for name, (queue, action, filtered) in wanted.items():
            made = self.ask("POST", f"/queues/{queue}/plans", {"action": action, "filter": filtered}, token=token)
            self.ids[name] = made["id"]
        path = f"/queues/search-index/plans/{self.ids['removing']}"
        while (plan := self.ask("GET", path))["status"] == "planning":
            pass
        self.ask("POST", f"{path}/apply", {"matched": plan["matched"], "ratePerS": 2}, token=token)

    def _acts(self, people: dict[str, str]) -> None:
        reason = {"reason": "the voucher in the template is last year's"}
        self.ask("POST", "/queues/newsletter/pause", reason, token=people["ada"])
        self.ask("POST", "/queues/emails/pause", {"reason": "SMTP relay restarts"}, token=people["grace"])
        self.ask("POST", "/queues/emails/resume", token=people["grace"])
        settings = {"removeOnComplete": {"age": 86_400}, "defaults": {"attempts": 3}, "keys": ["customer.id"]}
        self.ask("PATCH", "/queues/emails", {"settings": settings}, token=people["ada"])
        self.ask("POST", "/queues/images/jobs/ima-4802/retry", token=people["ada"])


NAMES = {
    "emails": "order-confirmed",
    "exports": "export",
    "images": "resize",
    "inventory": "sync",
    "newsletter": "black-friday",
    "orders": "place-order",
    "payments": "charge",
    "search-index": "reindex",
}
"""The name of most jobs of each queue."""


def _data(nth: int) -> dict[str, Any]:
    person = PEOPLE[nth % len(PEOPLE)]
    return {
        "order": 48_000 + nth,
        "customer": {"id": 1_000 + nth % 97, "email": f"{person}@mail.example"},
        "items": [{"plant": PLANTS[nth % len(PLANTS)], "pieces": 1 + nth % 3}],
        "total": f"{19 + nth % 80}.90",
        "currency": "EUR",
    }
