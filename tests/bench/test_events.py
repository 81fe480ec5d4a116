"""The benchmark of events runs, and what it counts is whole."""

from click.testing import CliRunner

from tests.bench.events import bench


def test_the_benchmark_of_events_sees_all_of_them() -> None:
    words = ["--seconds", "0.5", "--rounds", "1", "--rate", "200", "--batch", "10", "--streams", "2"]
    done = CliRunner().invoke(bench, words, catch_exceptions=False)
    lines = [line.split() for line in done.output.splitlines()]
    seen = [line[-5:-3] for line in lines if line[:1] == ["added"] and line[-1].isdigit()]
    assert seen == [["0", "0"]] * 2, done.output
    sides = {line[0] for line in lines if line}
    assert {"no", "2", "ROWLINE_EVENTS=off", "with"} <= sides
