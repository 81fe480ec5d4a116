"""The handbook as HTML, and the files of the API reference. Only files of the installed package are served."""

import functools
import itertools
import json
import re
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from gevent.lock import Semaphore
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.infra.cooperation import give_way

DOCS = Path(__file__).parents[1] / "docs"
FILES = Path(__file__).parent / "handbook_files"
SVG = "image/svg+xml"
PICTURES = {".svg": SVG, ".webp": "image/webp"}
BUNDLE = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
INDEX = "search.json"
DECISIONS = "decisions"
SECTIONS = {
    "Use it": (
        "reference",
        "api.md",
        "client.md",
        "cli.md",
        "dashboard.md",
        "find.md",
        "queues.md",
        "plans.md",
        "mend.md",
        "explain.md",
        "scaling.md",
        "series.md",
        "deduplication.md",
        "schedules.md",
        "events.md",
        "tracing.md",
        "tokens.md",
        "outbox.md",
        "states.md",
        "errors.md",
    ),
    "Work jobs": ("workers.md", "pull.md", "webhooks.md"),
    "Run it": (
        *(
            "operating.md",
            "doctor.md",
            "metrics.md",
            "settings.md",
            "security.md",
            "upgrading.md",
            "backup.md",
            "rolling.md",
            "firewall.md",
            "failover.md",
        ),
        *("poolers.md", "changelog.md"),
    ),
    "Understand it": ("architecture.md", "glossary.md", "reports.md", "faults.md", "benchmarks.md"),
    "Change it": ("contributing.md", "mutants.md", DECISIONS),
}
"""The pages of each section, by their paths below /docs."""
_TITLES = {"reference": "The API in the browser", DECISIONS: "Decisions"}
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_WEBP = re.compile(r'<img src="(assets/[^"]+\.webp)"')
_WEBP_HEAD = 25
"""So many bytes of a lossless WebP end with its size."""
_indexing = Semaphore(1)
_REFERENCE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>API - Rowline</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="assets/swagger-ui.css"></head>
<body><div id="reference"></div><script src="assets/swagger-ui-bundle.js"></script>
<script src="assets/reference.js"></script></body></html>
"""


class Page(NamedTuple):
    """An entry in a list of pages."""

    path: str
    title: str


class Section(NamedTuple):
    """A list of pages under a title."""

    title: str
    pages: list[Page]


@functools.cache
def paths() -> frozenset[str]:
    """Return the path of every page below /docs (`api.md`, `decisions/0001-….md`); "" is their list."""
    return frozenset(("", DECISIONS, "reference", *_texts()))


@functools.cache
def page(path: str) -> bytes:
    """Render a page of `paths`, as UTF-8, when it is asked for first: that takes up to 20 ms, all of them 0.3 s."""
    if path == "reference":
        return _REFERENCE.encode()
    texts, sections = _texts(), _sections()
    if path == "":
        title, body = "Handbook", _contents("Rowline", sections, "docs/")
    elif path == DECISIONS:
        decisions = [Page(name, _title(text)) for name, text in texts.items() if name.startswith(f"{DECISIONS}/")]
        title, body = "Decisions", _contents("Decisions", [Section("", decisions)], "")
    else:
        title, body = _title(texts[path]), _html(texts[path])
    up = "../" * path.count("/")
    top, home = (up, f"{up}../docs") if path else ("docs/", "docs")
    template = _files().get_template("page.html")
    return template.render(path=path, title=title, body=body, top=top, home=home, sections=sections).encode()


def _contents(title: str, listed: list[Section], top: str) -> str:
    return _files().get_template("contents.html").render(title=title, sections=listed, top=top)


@functools.cache
def _files() -> Environment:
    return Environment(loader=FileSystemLoader(FILES), autoescape=True, undefined=StrictUndefined)


@functools.cache
def _sections() -> list[Section]:
    titles = _TITLES | {path: _title(text) for path, text in _texts().items()}
    return [Section(name, [Page(path, titles[path]) for path in listed]) for name, listed in SECTIONS.items()]


@functools.cache
def assets() -> dict[str, tuple[str, bytes]]:
    """Return the media type and the bytes of every file below /docs/assets but INDEX."""
    bundle = resources.files("flask_swagger_ui") / "dist"
    files = (DOCS / "assets").iterdir()
    pictures = {file.name: (PICTURES[file.suffix], file.read_bytes()) for file in files if file.suffix in PICTURES}
    kinds = {".css": "text/css", ".js": "text/javascript"}
    ours = {file.name: (kinds[file.suffix], file.read_bytes()) for file in FILES.iterdir() if file.suffix in kinds}
    return ours | pictures | {name: (kind, (bundle / name).read_bytes()) for name, kind in BUNDLE.items()}


def index() -> bytes:
    """List all pages with their headings, as JSON, in the order of the side bar; what `search.js` searches.

    It is made once, when it is asked for first, and gives way to other greenlets between two pages.
    """
    with _indexing:
        return made_index()


@functools.cache
def made_index() -> bytes:
    """Make the list of `index`, which lets one request at a time do so: two at once would both make it."""
    texts = _texts()
    listed = [path for paths in SECTIONS.values() for path in paths]
    made = []
    for path in [*listed, *(path for path in texts if path not in listed)]:
        give_way()
        headings = [
            (_plain(inline), str(token.attrs["id"])) for token, inline in _headings(_parsed(texts.get(path, "")))
        ]
        made.append({"path": path, "title": _TITLES.get(path) or _title(texts[path]), "headings": headings[1:]})
    return json.dumps(made).encode()


@functools.cache
def _texts() -> dict[str, str]:
    return {file.relative_to(DOCS).as_posix(): file.read_text() for file in sorted(DOCS.rglob("*.md"))}


def _html(text: str) -> str:
    html: str = _MARKDOWN.renderer.render(_parsed(text), _MARKDOWN.options, {})
    html = _WEBP.sub(_sized, html)
    return html.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")


def _sized(picture: re.Match[str]) -> str:
    """Return the tag of a picture with its size, so that a page does not move while it loads it when it is seen."""
    file = DOCS / picture[1]
    if not file.exists():  # of a page that is described before its picture is made: `make screenshots` needs the API
        return picture[0]
    head = file.read_bytes()[:_WEBP_HEAD]
    size = int.from_bytes(head[-4:], "little")  # lossless WebP: 14 bits of width, 14 of height, each less one
    return f'{picture[0]} loading="lazy" width="{(size & 0x3FFF) + 1}" height="{(size >> 14 & 0x3FFF) + 1}"'


def _parsed(text: str) -> list[Token]:
    """Parse a page, and give each heading the anchor that GitHub gives it."""
    tokens = _MARKDOWN.parse(text)
    seen: Counter[str] = Counter()
    for token, inline in _headings(tokens):
        anchor = re.sub(r"[^\w -]", "", _plain(inline).lower()).replace(" ", "-")
        token.attrs["id"] = f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
        seen[anchor] += 1
    return tokens


def _plain(inline: Token) -> str:
    return "".join(part.content for part in inline.children or ())


def _headings(tokens: list[Token]) -> list[tuple[Token, Token]]:
    return [pair for pair in itertools.pairwise(tokens) if pair[0].type == "heading_open"]


def _title(text: str) -> str:
    return next((line.removeprefix("# ") for line in text.split("\n") if line.startswith("# ")), "")
