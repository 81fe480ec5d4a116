"""`rowline dashboard` prints a link that signs in."""

import re
import urllib.request
from http.cookiejar import CookieJar

from click.testing import CliRunner

from app.cli.main import rowline
from tests.support import raw

LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/dashboard/login/([\w-]{43})")


def follow(link: str) -> str:
    """Do what a browser does with a link and its button; return the page that is shown then."""
    found = LINK.search(link)
    assert found, link
    root = f"http://127.0.0.1:{found[1]}/dashboard/"
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with opener.open(found[0], timeout=60) as page:
        assert found[2] in page.read().decode()
    form = urllib.request.Request(
        f"{root}link", data=f"code={found[2]}".encode(), headers={"Sec-Fetch-Site": "same-origin"}
    )
    with opener.open(form, timeout=60) as page:
        return str(page.read().decode())


def test_the_link_signs_in_to_the_service_of_this_machine(own_url: str) -> None:
    with raw.server(own_url) as server:
        env = {"DATABASE_URL": own_url, "PORT": str(server.port)}
        result = CliRunner().invoke(rowline, ["dashboard"], env=env, catch_exceptions=False)
        assert "Sign out" in follow(result.output)


def test_where_other_machines_reach_the_service_there_are_no_links(own_url: str) -> None:
    env = {"DATABASE_URL": own_url, "HOST": "0.0.0.0", "AUTH_TOKENS": "a-token-of-the-tests"}
    result = CliRunner().invoke(rowline, ["dashboard"], env=env)
    assert result.exit_code == 1
    assert "use a token with the scope dashboard" in result.output
