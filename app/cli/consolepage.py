"""Generates what the console for Prometheus has of the dashboard for Grafana, so that both ask the same."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "monitoring"
PAGE = FOLDER / "rowline.html"
RATE = "2m"
"""Of what time rates are; Grafana knows how often Prometheus scrapes, a console does not: once a minute will do."""
HIGHEST = 20
"""So many queues are drawn in a graph."""

_OF_QUEUES = 'queue=~"$queue"'
_UNITS = {"s": "s", "ops": "/s", "reqps": "/s", "short": ""}
_COUNT, _RATE, _DURATION = 'printf "%.0f"', 'printf "%.2f"', "humanizeDuration"


def _jobs(status: str) -> str:
    return f'max(rowline_jobs{{{_OF_QUEUES}, status="{status}"}})'


_COLUMNS = [
    # its head, the title of its panel or a query of its own, and how a figure is written
    ("Ready", "Ready jobs", _COUNT),
    ("Active", _jobs("active"), _COUNT),
    ("Delayed", _jobs("delayed"), _COUNT),
    ("Failed", _jobs("failed"), _COUNT),
    ("Oldest ready", "Oldest ready job", _DURATION),
    ("To drain", "Time to drain", _DURATION),
    ("Added a second", "Added a second", _RATE),
    ("Completed a second", "Completed a second", _RATE),
    ("Failed a second", "Failed a second", _RATE),
    ("Wait, p95", "95th percentile of waits, by queue", _DURATION),
    ("Workers", "Workers seen", _COUNT),
    ("Paused", "Paused", _COUNT),
]


def text() -> str:
    """Return the console with its generated parts."""
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    page = PAGE.read_text()
    for part, lines in ("heads", _heads()), ("figures", _figures(panels)), ("graphs", _graphs(panels)):
        page = _filled(page, part, lines)
    return page


def _filled(page: str, part: str, lines: Iterable[str]) -> str:
    begin, end = f"{{{{/* {part} */}}}}\n", f"{{{{/* end of {part} */}}}}\n"
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    if not after:
        raise ValueError(f"{PAGE.name} has not the lines {begin.strip()} and {end.strip()}: put them back")
    return before + begin + "".join(f"{line}\n" for line in lines) + end + after


def _heads() -> Iterator[str]:
    heads = "".join(f'<th class="number">{head}</th>' for head, _, _ in _COLUMNS)
    yield f"<tr><th>Queue</th>{heads}</tr>"


def _figures(panels: list[dict[str, Any]]) -> Iterator[str]:
    known = {panel["title"]: panel["targets"][0]["expr"] for panel in panels}
    for _, asked, written in _COLUMNS:
        # What is compared is no NaN, which a percentile of nothing is.
        query = _expression(f"({known.get(asked, asked)}) >= 0", "$one")
        figure = f"{{{{ with query {query} }}}}{{{{ first . | value | {written} }}}}{{{{ else }}}}-{{{{ end }}}}"
        yield f'<td class="number">{figure}</td>'


def _graphs(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        targets = panel["targets"]
        names = ", ".join(json.dumps(re.sub(r"{{(\w+)}}", r"[[ \1 ]]", target["legendFormat"])) for target in targets)
        variables = [f"$q{n}" for n, _ in enumerate(targets)]
        yield "<section>" + "".join(
            f"{{{{ {variable} := {_drawn(target)} }}}}" for variable, target in zip(variables, targets, strict=True)
        )
        asked = "&amp;".join(
            f"g{n}.expr={{{{ {variable} }}}}&amp;g{n}.tab=0&amp;g{n}.range_input={{{{ $minutes }}}}m"
            for n, variable in enumerate(variables)
        )
        yield f'<h3><a class="own" href="{{{{ pathPrefix }}}}/graph?{asked}">{panel["title"]}</a></h3>'
        if panel["description"]:
            yield f"<p>{panel['description']}</p>"
        if not any(_OF_QUEUES in target["expr"] for target in targets):
            yield "{{ if $name }}<p>Of the whole service.</p>{{ end }}"
        queries = ", ".join(f"{{{{ {variable} }}}}" for variable in variables)
        units = json.dumps(_UNITS[panel["fieldConfig"]["defaults"]["unit"]])
        yield f'<div id="graph{panel["id"]}"></div>'
        colours = "".join(f", {json.dumps(of_series)}" for of_series in [_colours(panel)] if of_series)
        yield f'<script>graph("graph{panel["id"]}", {units}, [{queries}], [{names}]{colours});</script></section>'


def _colours(panel: dict[str, Any]) -> list[str]:
    """Return the colours of a panel's series in the order in which a console gives them: by the names of these."""
    fixed = {one["matcher"]["options"]: one["properties"] for one in panel["fieldConfig"]["overrides"]}
    return [fixed[name][0]["value"]["fixedColor"] for name in sorted(fixed)]


def _drawn(target: dict[str, Any]) -> str:
    query = target["expr"]
    return _expression(f"topk({HIGHEST}, {query})" if "{{queue}}" in target["legendFormat"] else query, "$of")


def _expression(query: str, of: str) -> str:
    """Return a query as an expression of the template; `of` is the variable with the matcher of queues."""
    plain = query.replace("$__rate_interval", RATE)
    if _OF_QUEUES not in plain:
        return f"`{plain}`"
    matchers = plain.count(_OF_QUEUES)
    return f"(printf `{plain.replace('%', '%%').replace(_OF_QUEUES, '%s')}` {' '.join([of] * matchers)})"
