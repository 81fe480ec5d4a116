import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import clusters
from tests.support.clusters import Program

LAUNCHER = """
import json, os, pathlib, sys
from app.infra import log
from app.local.processes import Child, StartError, Supervisor
log.configure("info", log.JSON)
groups, limit_s, never, never_s, begun = json.loads(sys.argv[1])
try:
    with Supervisor(limit_s=limit_s) as supervisor:
        for group in groups:
            supervisor.start(*(Child(name=n, argv=[sys.executable, "-c", c], env=os.environ) for n, c in group.items()))
        print("all started", flush=True)
        if begun:
            supervisor.wait_until(pathlib.Path(begun).exists, child=never, timeout_s=60)
        if never:
            supervisor.wait_until(lambda: False, child=never, timeout_s=never_s)
        supervisor.run()
except StartError as error:
    print("StartError", error, flush=True)
print("all ended", flush=True)
"""


def steady(name: str, *, extra: str = "", stops: int = 1) -> str:
    """Return a child that tells its pid and each stop signal, and ends at the `stops`-th."""
    return f"""
import os, signal, sys
os.write(1, b"{name} is %d\\n" % os.getpid())
{extra}
for _ in range({stops}):
    number = signal.sigwait({{signal.SIGTERM, signal.SIGINT}})
    os.write(1, b"{name} got %d\\n" % number)
"""


BLOCKED = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT});"


def supervise(
    *groups: Mapping[str, str],
    limit_s: float = 20,
    never: str | None = None,
    never_s: float = 0.5,
    begun: Path | None = None,
) -> Program:
    """Run children. For one that is `never` ready it is waited `never_s`, once it has made the file `begun`."""
    blocked = [{name: BLOCKED + code for name, code in group.items()} for group in groups]
    asked = [blocked, limit_s, never, never_s, begun and str(begun)]
    return Program([*clusters.PYTHON, "-c", LAUNCHER, json.dumps(asked)])


def pid_of(program: Program, name: str) -> int:
    return int(program.expect(f"{name} is ").split()[-1])


def events(program: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in program.lines() if line.startswith("{")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_children_stop_in_the_reverse_order_of_their_start(number: signal.Signals) -> None:
    with supervise({"first": steady("first")}, {"second": steady("second"), "third": steady("third")}) as program:
        for name in ("first", "second", "third"):
            pid_of(program, name)
        assert program.end(number) == 0
    ended = [event["child"] for event in events(program) if event["event"] == "child_ended"]
    assert sorted(ended[:2]) == ["second", "third"]
    assert ended[2:] == ["first"]


def test_a_dead_child_is_started_again_at_once() -> None:
    with supervise({"one": steady("one")}) as program:
        first = pid_of(program, "one")
        os.kill(first, signal.SIGKILL)
        assert pid_of(program, "one") != first
        assert program.end(signal.SIGTERM) == 0
    died = next(event for event in events(program) if event["event"] == "child_died")
    assert (died["child"], died["pid"], died["status"], died["restartMs"]) == ("one", first, -signal.SIGKILL, 0)


def test_a_child_that_keeps_dying_waits_longer_each_time() -> None:
    with supervise({"one": "raise SystemExit(3)"}, {"two": steady("two")}) as program:
        delays = [json.loads(program.expect("child_died"))["restartMs"] for _ in range(4)]
        assert program.end(signal.SIGTERM) == 0
    assert delays == [0, 500, 1000, 2000]


def test_the_other_children_stay_while_one_dies() -> None:
    with supervise({"one": "raise SystemExit(3)"}, {"two": steady("two")}) as program:
        pid = pid_of(program, "two")
        program.expect('"restartMs":1000')
        assert clusters.is_alive(pid)
        assert program.output.count("two is") == 1
        assert program.end(signal.SIGTERM) == 0


def test_a_second_signal_is_passed_on() -> None:
    with supervise({"one": steady("one", stops=2)}) as program:
        pid_of(program, "one")
        program.process.send_signal(signal.SIGTERM)
        program.expect("one got")
        assert program.end(signal.SIGTERM) == 0
    assert program.output.count("one got") == 2


def test_a_child_that_does_not_stop_is_killed_with_all_it_started() -> None:
    fork = 'pid = os.fork() or [signal.pause() for _ in "x"]; os.write(1, b"inner is %d\\n" % pid)'
    with supervise({"one": steady("one", extra=fork, stops=9)}, limit_s=0.5) as program:
        outer, inner = pid_of(program, "one"), pid_of(program, "inner")
        assert program.end(signal.SIGTERM) == 0
        assert not clusters.is_alive(outer)
        clusters.until(lambda: not clusters.is_alive(inner))
    assert "child_killed" in program.output


def test_what_a_dead_child_leaves_behind_is_ended() -> None:
    fork = 'pid = os.fork() or [signal.pause() for _ in "x"]; os.write(1, b"inner is %d\\n" % pid)'
    with supervise({"one": steady("one", extra=fork)}) as program:
        outer, inner = pid_of(program, "one"), pid_of(program, "inner")
        os.kill(outer, signal.SIGKILL)
        clusters.until(lambda: not clusters.is_alive(inner))
        pid_of(program, "inner")
        assert program.end(signal.SIGTERM) == 0


def test_a_killed_supervisor_leaves_no_child_behind() -> None:
    with supervise({"one": steady("one")}, {"two": steady("two")}) as program:
        pids = [pid_of(program, name) for name in ("one", "two")]
        program.end(signal.SIGKILL)
        clusters.until(lambda: not any(map(clusters.is_alive, pids)))
        assert "one got" in program.rest()  # its children wrote after it was gone


def test_no_zombie_stays() -> None:
    with supervise({"one": steady("one")}) as program:
        first = pid_of(program, "one")
        os.kill(first, signal.SIGKILL)
        pid_of(program, "one")
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert program.end(signal.SIGTERM) == 0


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    one = steady("one", extra=f"open({str(begun)!r}, 'w')")
    with supervise({"one": one}, never="one", begun=begun) as program:
        assert program.end() == 0
    assert "StartError one was not ready within 0.5 s" in program.output
    assert program.output.index("one got") < program.output.index("StartError")


def test_a_child_that_cannot_start_is_reported() -> None:
    with supervise({"one": "raise SystemExit(3)"}, never="one") as program:
        assert program.end() == 0
    assert "StartError one" in program.output


def test_a_stop_during_the_start_is_no_fault() -> None:
    with supervise({"one": steady("one")}, never="one", never_s=60) as program:
        pid_of(program, "one")
        assert program.end(signal.SIGTERM) == 0
    assert "StartError" not in program.output
