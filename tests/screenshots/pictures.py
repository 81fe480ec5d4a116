"""The pictures of the dashboard: of each page its name in the handbook, and where it is."""

from typing import NamedTuple

from tests.support.clusters import ROOT

ASSETS = ROOT / "app" / "docs" / "assets"
PAGE = ROOT / "app" / "docs" / "dashboard.md"
README = ROOT / "README.md"
THEMES = ("light", "dark")
WIDE, NARROW = 1280, 390


class View(NamedTuple):
    """A page in the shop: its path below the dashboard, and whether it is shown on a phone too."""

    path: str
    is_narrow: bool = False


VIEWS = {
    "sign-in": View("login"),
    "queues": View("", is_narrow=True),
    "queue": View("queues/payments", is_narrow=True),
    "add": View("queues/emails/add"),
    "settings": View("queues/payments/settings"),
    "job": View("queues/payments/jobs/pay-4800", is_narrow=True),
    "job-remove": View("queues/payments/jobs/pay-4800/remove"),
    "running-job": View("queues/inventory/jobs/stock-count-0"),
    "failures": View("failures", is_narrow=True),
    "failures-of-a-queue": View("queues/payments/failures"),
    "running": View("running"),
    "plans": View("plans"),
    "plans-of-a-queue": View("queues/payments/plans"),
    "plan": View("queues/payments/plans/{planned}"),
    "search": View("search?error=no+answer&statuses=failed"),
    "schedules-of-all": View("schedules"),
    "schedules": View("queues/inventory/schedules"),
    "schedule": View("queues/inventory/schedules/stock-sync"),
    "schedule-new": View("queues/inventory/new-schedule"),
    "schedule-change": View("queues/inventory/schedules/nightly-report/change"),
    "schedule-remove": View("queues/inventory/schedules/nightly-report/remove"),
    "charts": View("queues/payments/charts", is_narrow=True),
    "workers": View("queues/payments/workers"),
    "endpoint": View("queues/payments/endpoint"),
    "endpoint-remove": View("queues/erp/endpoint/remove"),
    "endpoints": View("endpoints"),
    "doctor": View("doctor?look=1"),
    "tokens": View("tokens"),
    "token-make": View("tokens/make"),
    "token-revoke": View("tokens/{storefront}/revoke"),
    "audit": View("audit"),
}
"""Every page, by its name. What stands in braces the service or the shop named: see `Shop.ids`."""


class Picture(NamedTuple):
    """One picture of a page."""

    view: str
    theme: str
    width: int

    @property
    def file(self) -> str:
        """Its name below the assets of the handbook."""
        return f"dashboard-{self.view}{'-narrow' if self.width == NARROW else ''}-{self.theme}.webp"


PICTURES = [
    Picture(name, theme, width)
    for name, view in VIEWS.items()
    for theme in THEMES
    for width in ((WIDE, NARROW) if view.is_narrow else (WIDE,))
]
