"""The lines of a run as a chart: for each, the ratio to what it is held against, beside its goal."""

from pathlib import Path
from typing import Any

import pygal
from pygal.style import CleanStyle

from tests.bench import report
from tests.bench.goals import GOALS, Goal, Results


def write(path: Path, results: Results) -> None:
    """Write an SVG file, which needs no script to be read."""
    shown = [goal for goal in GOALS if isinstance(goal, Goal) and goal.side in results and goal.base in results]
    chart = pygal.HorizontalBar(
        style=CleanStyle(label_font_size=10, legend_font_size=12, value_font_size=11),
        js=(),
        height=60 + 46 * len(shown),
        width=1100,
        legend_at_bottom=True,
        print_values=True,
        formatter=lambda value: f"{value:.2f}",
        title="Rowline ÷ what it is held against",
        range=(0, 1.2),
    )
    chart.x_labels = [f"{goal.side} ÷ {goal.base}" for goal in reversed(shown)]
    chart.add("goal", [goal.least for goal in reversed(shown)])
    ratios = [report.median(results[goal.side]) / report.median(results[goal.base]) for goal in reversed(shown)]
    chart.add("measured", ratios)
    chart.add_xml_filter(_unscripted)
    path.write_bytes(chart.render(is_unicode=False))


def _unscripted(root: Any) -> Any:
    """Take out the script in which pygal repeats its settings."""
    for parent in root.iter():
        for script in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(script)
    return root
