"""`make screenshots`: pictures of every page of the dashboard, in a shop that is the same each time, for the handbook.

They go to app/docs/assets; a picture that shows what it showed before stays as it is.
"""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from app.infra.settings import Settings
from app.operations import maintenance
from app.postgres.database import Database
from tests.screenshots import files, history
from tests.screenshots.clock import NOW, Clock
from tests.screenshots.pictures import ASSETS, NARROW, PICTURES, VIEWS, Picture
from tests.screenshots.shop import ROOT_TOKEN, Shop
from tests.support import browser as chromium
from tests.support import clusters, databases, raw
from tests.support.browser import ENTER, Browser

SIGNED_IN = "Queues - Rowline"
HEIGHTS = {False: (320, 1_500), True: (480, 1_400)}
"""The least and the most height of a picture, wide and narrow."""
THEME = "document.querySelector('[name=theme]').value = '{}'; document.querySelector('.choices').requestSubmit()"


@click.command()
@click.option("--only", default="", help="Pages whose names begin so.")
@click.option(
    "--png", type=click.Path(path_type=Path), help="A folder for the same pictures as PNG, as they were taken."
)
def main(*, only: str, png: Path | None) -> None:
    """Open the shop, look at its pages, and keep the pictures."""
    if not shutil.which("chromedriver"):
        sys.exit("make screenshots needs Chromium: apt-get install chromium chromium-driver")
    wanted = [picture for picture in PICTURES if picture.view.startswith(only)]
    if png:
        png.mkdir(parents=True, exist_ok=True)
    changed = 0
    with opened() as (address, shop, secret), chromium.browser() as browser:
        root = f"{address}/dashboard/"
        taken = {picture: _take(browser, root, picture, shop) for picture in wanted if picture.view == "sign-in"}
        _sign_in(browser, root, secret)
        for theme in ("light", "dark"):
            _choose(browser, root, theme)
            for picture in wanted:
                if picture.theme == theme and picture not in taken:
                    taken[picture] = _take(browser, root, picture, shop)
    for picture, content in taken.items():
        changed += files.keep(content, ASSETS / picture.file)
        if png:
            (png / picture.file).with_suffix(".png").write_bytes(content)
    size = sum(file.stat().st_size for file in ASSETS.glob("*.webp"))
    print(f"{len(taken)} pictures, {changed} of them changed; all together {size / 1_000:,.0f} kB")


@contextlib.contextmanager
def opened() -> Iterator[tuple[str, Shop, str]]:
    """Open the shop; yield its address, what is in it, and the token of who looks at it."""
    with clusters.folder() as folder, contextlib.ExitStack() as stack:
        clock = Clock(folder)
        url = databases.prepare(stack.enter_context(clusters.cluster(env=clock.env)).url)
        env = clock.env | {"AUTH_TOKENS": ROOT_TOKEN, "ROWLINE_WEBHOOK_ALLOW": "127.0.0.0/8"}
        with raw.server(url, **env) as server:
            shop = Shop(f"http://127.0.0.1:{server.port}")
            shop.open()
        db = Database(Settings(), url=url, size=1, name="rowline-pictures")
        while maintenance.fold_counts(db):
            pass
        db.close()
        clock.stop()
        assert databases.ask(url, "select now()") == [(NOW,)]
        secret = history.write(url, shop)
        # Another process: the first knows who has claimed, and would say so, each time at another moment.
        server = stack.enter_context(raw.server(url, **env))
        yield f"http://127.0.0.1:{server.port}", shop, secret


def _sign_in(browser: Browser, root: str, secret: str) -> None:
    browser.open(f"{root}login")
    browser.press(secret + ENTER)
    browser.wait("return document.title", lambda found: found == SIGNED_IN)


def _choose(browser: Browser, root: str, theme: str) -> None:
    browser.open(root)
    browser.run(THEME.format(theme))
    browser.wait("return document.documentElement.dataset.theme", lambda found: found == theme)


def _take(browser: Browser, root: str, picture: Picture, shop: Shop) -> bytes:
    """Take a picture of a page, from its top on."""
    is_narrow = picture.width == NARROW
    path = VIEWS[picture.view].path.format(**(shop.ids | history.TOKEN_IDS))
    browser.prefer(picture.theme)
    browser.open(root + path, width=picture.width)
    least, most = HEIGHTS[is_narrow]
    browser.run("document.activeElement.blur()")
    height = browser.run("return document.documentElement.scrollHeight")
    return browser.picture(width=picture.width, height=min(max(least, height), most))


if __name__ == "__main__":
    main()
