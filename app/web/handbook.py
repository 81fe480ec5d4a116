"""The handbook as HTML, and the files of the API reference. Only files of the installed package are served."""

import functools
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

DOCS = Path(__file__).parents[1] / "docs"
FILES = Path(__file__).parent / "handbook_files"
SVG = "image/svg+xml"
BUNDLE = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
DECISIONS = "decisions"
SECTIONS = {
    "Use it": ("reference", "api.md", "client.md", "outbox.md", "states.md", "errors.md"),
    "Work jobs": ("workers.md", "pull.md", "webhooks.md"),
    "Run it": (
        *("operating.md", "settings.md", "security.md", "upgrading.md", "backup.md", "rolling.md", "failover.md"),
        *("poolers.md", "changelog.md"),
    ),
    "Understand it": ("architecture.md", "glossary.md", "reports.md", "faults.md", "benchmarks.md"),
    "Change it": ("contributing.md", "mutants.md", DECISIONS),
}
"""The pages of each section, by their paths below /docs."""
_TITLES = {"reference": "The API in the browser", DECISIONS: "Decisions"}
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
def pages() -> dict[str, bytes]:
    """Render every page, as UTF-8, by its path below /docs (`api.md`, `decisions/0001-….md`); "" is their list."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    texts = {file.relative_to(DOCS).as_posix(): file.read_text() for file in sorted(DOCS.rglob("*.md"))}
    titles = _TITLES | {path: _title(text) for path, text in texts.items()}
    sections = [Section(name, [Page(path, titles[path]) for path in paths]) for name, paths in SECTIONS.items()]
    decisions = [Page(path, titles[path]) for path in texts if path.startswith(f"{DECISIONS}/")]
    files = Environment(loader=FileSystemLoader(FILES), autoescape=True, undefined=StrictUndefined)

    def page(path: str, title: str, body: str) -> str:
        top = "../" * path.count("/") if path else "docs/"
        home = "../" * path.count("/") + "../docs" if path else "docs"
        return files.get_template("page.html").render(
            path=path, title=title, body=body, top=top, home=home, sections=sections
        )

    def contents(title: str, listed: list[Section], top: str) -> str:
        return files.get_template("contents.html").render(title=title, sections=listed, top=top)

    made = {path: page(path, titles[path], markdown.render(text)) for path, text in texts.items()}
    made[DECISIONS] = page(DECISIONS, "Decisions", contents("Decisions", [Section("", decisions)], ""))
    made[""] = page("", "Handbook", contents("Rowline", sections, "docs/"))
    return {path: text.encode() for path, text in (made | {"reference": _REFERENCE}).items()}


@functools.cache
def assets() -> dict[str, tuple[str, bytes]]:
    """Return the media type and the bytes of every file below /docs/assets."""
    bundle = resources.files("flask_swagger_ui") / "dist"
    pictures = {file.name: (SVG, file.read_bytes()) for file in (DOCS / "assets").glob("*.svg")}
    kinds = {".css": "text/css", ".js": "text/javascript"}
    ours = {file.name: (kinds[file.suffix], file.read_bytes()) for file in FILES.iterdir() if file.suffix in kinds}
    return ours | pictures | {name: (kind, (bundle / name).read_bytes()) for name, kind in BUNDLE.items()}


def _title(text: str) -> str:
    return next((line.removeprefix("# ") for line in text.split("\n") if line.startswith("# ")), "")
