"""The handbook as HTML, and the files of the API reference: a fixed set, read from what is installed."""

import functools
import html
from importlib import resources
from pathlib import Path

from markdown_it import MarkdownIt

DOCS = Path(__file__).parents[1] / "docs"
STYLE = "handbook.css"
SVG = "image/svg+xml"
BUNDLE = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
OURS = {
    STYLE: (
        "text/css",
        (
            b"body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}"
            b"pre,code{background:#f2f2f2}pre{padding:.7em;overflow:auto}"
            b"table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .5em;text-align:left}"
        ),
    ),
    "reference.js": (
        "text/javascript",
        b'SwaggerUIBundle({url:"../openapi.json",dom_id:"#reference",validatorUrl:null,deepLinking:false});',
    ),
}
_REFERENCE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>API - Rowline</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="assets/swagger-ui.css"></head>
<body><div id="reference"></div><script src="assets/swagger-ui-bundle.js"></script>
<script src="assets/reference.js"></script></body></html>
"""


@functools.cache
def pages() -> dict[str, bytes]:
    """Render every page, as UTF-8, by its path below /docs (`api.md`, `decisions/0001-….md`); "" is their list."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    texts = {file.relative_to(DOCS).as_posix(): file.read_text() for file in sorted(DOCS.rglob("*.md"))}
    made = {path: _page(markdown.render(text), path, up="../" * path.count("/")) for path, text in texts.items()}
    links = "".join(f'<li><a href="docs/{path}">{html.escape(_title(text))}</a></li>' for path, text in texts.items())
    top = f'<h1>Rowline</h1><ul><li><a href="docs/reference">The API, call by call</a></li>{links}</ul>'
    made |= {"": _page(top, "Rowline", up="docs/"), "reference": _REFERENCE}
    return {path: page.encode() for path, page in made.items()}


@functools.cache
def assets() -> dict[str, tuple[str, bytes]]:
    """Return the media type and the bytes of every file below /docs/assets."""
    bundle = resources.files("flask_swagger_ui") / "dist"
    pictures = {file.name: (SVG, file.read_bytes()) for file in (DOCS / "assets").glob("*.svg")}
    return OURS | pictures | {name: (kind, (bundle / name).read_bytes()) for name, kind in BUNDLE.items()}


def _title(text: str) -> str:
    return next((line.removeprefix("# ") for line in text.split("\n") if line.startswith("# ")), "")


def _page(body: str, title: str, *, up: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="{up}assets/{STYLE}"></head>'
        f"<body>{body}</body></html>\n"
    )
