"""What hands did to jobs and to queues, and what that explains."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tests.checker.record import Event

Row = dict[str, Any]
SURE, MAYBE = ("ok",), ("ok", "unknown")
LONG_S = 60
"""An age that no job of a run reaches before the run is over."""


class End(NamedTuple):
    """An end of a job that was acknowledged: by a word of its worker, or by the cancel of a job that was not active."""

    asked: float
    t: float  # of the answer; `ms` is that by the database's clock
    ms: int
    status: str
    result: str | None


class Acts:
    """The calls of hands, by job and by queue, and the retention of each array."""

    def __init__(self, of: Mapping[str, Sequence[Event]]) -> None:
        self._of_job: defaultdict[str, list[Event]] = defaultdict(list)
        self._of_queue: defaultdict[str, list[Event]] = defaultdict(list)
        self.keeps = {event["batch"]: event["keeps"] for event in of["ask"] if event.get("keeps")}
        self._queues = {event["batch"]: event.get("queue") for event in of["ask"]}
        self.words: defaultdict[str, list[Event]] = defaultdict(list)
        self.runs: defaultdict[str, set[str]] = defaultdict(set)
        for event in of["hand"]:
            (self._of_job[event["id"]] if event["id"] else self._of_queue[event["queue"]]).append(event)
        for event in of["told"]:
            self.words[event["id"]].append(event)
        for event in of["began"]:
            self.runs[event["id"]].add(event["token"])

    def __iter__(self) -> Iterator[tuple[str, list[Event]]]:
        """Give each job that hands touched, with what they did."""
        yield from self._of_job.items()

    @property
    def queues(self) -> Iterable[tuple[str, list[Event]]]:
        """The queues that were paused and resumed, with these calls."""
        return self._of_queue.items()

    def of(self, name: str, verb: str, outcomes: Sequence[str] = MAYBE) -> list[Event]:
        """Return the calls of one verb on a job that had, or may have had, an effect."""
        return [act for act in self._of_job.get(name, ()) if act["verb"] == verb and act["outcome"] in outcomes]

    def ends(self, name: str) -> list[End]:
        """Return the ends of a job that were acknowledged, in the order of the answers."""
        found: dict[str, End] = {}
        for word in self.words.get(name, ()):
            if (word["verb"], word["outcome"]) == ("complete", "ok") and word["token"] not in found:
                ms = int(word.get("ms", 0))
                found[word["token"]] = End(word["asked"], word["t"], ms, "completed", word["result"])
        cancels = [
            End(act["asked"], act["t"], act["ms"], "failed", None)
            for act in self.of(name, "cancel", SURE)
            if act["status"] == "failed"
        ]
        return sorted([*found.values(), *cancels], key=lambda end: end.t)

    def has_ended_too_often(self, name: str) -> bool:
        """Say whether a job ended more often than retries explain: each end but the first needs one before it."""
        retries = self.of(name, "retry")
        return any(sum(retry["asked"] < end.t for retry in retries) < nth for nth, end in enumerate(self.ends(name)))

    def last_end(self, name: str) -> End | None:
        """Return the end that no retry can have undone, if there is one."""
        retries = self.of(name, "retry")
        sure = [end for end in self.ends(name) if not any(may_follow(retry, end.asked) for retry in retries)]
        return sure[-1] if sure else None

    def may_be_retried(self, name: str, since: int, until: int) -> bool:
        """Say whether a retry may have come in between these ms."""
        return any(
            act["since"] <= until and (act["ms"] >= since or act["outcome"] == "unknown")
            for act in self.of(name, "retry")
        )

    def may_be_ready_early(self, name: str, at: int) -> bool:
        """Say whether a call by hand may have ended the delay of a job by these ms."""
        return any(act["since"] <= at for verb in ("promote", "retry") for act in self.of(name, verb))

    def gone(self, acknowledged: Sequence[Event], jobs: Sequence[Row]) -> list[Row]:
        """Return those of the acknowledged jobs that are not stored and need not be, as rows of id, batch and index."""
        stored = {job["id"] for job in jobs}
        completed = defaultdict(list)
        for job in jobs:
            if job.get("status") == "completed" and job["id"].isdigit():
                completed[job.get("queue")].append(int(job["id"]))
        found = {
            name: {"id": name, "batch": event["batch"], "index": index}
            for event in acknowledged
            for index, name in enumerate(event["ids"])
            if name not in stored and self._may_be_gone(name, event, completed)
        }
        return list(found.values())

    def _may_be_gone(self, name: str, added: Event, completed: Mapping[str | None, Sequence[int]]) -> bool:
        if self.of(name, "remove"):
            return True
        keeps = self.keeps.get(added["batch"], {})
        if is_short(keeps.get("removeOnFail")) and self.of(name, "cancel"):
            return True
        keep = keeps.get("removeOnComplete")
        if not is_short(keep) or not self.runs.get(name):
            return False
        if keep is True:  # a word about it is remembered: what was refused did not end it
            refused = {word["token"] for word in self.words.get(name, ()) if word["outcome"] == "lost"}
            return bool(self.runs[name] - refused) or bool(self.of(name, "retry"))
        if isinstance(keep, int):
            return sum(number > int(name) for number in completed[self._queues.get(added["batch"])]) >= keep
        return True


def may_follow(act: Event, asked: float) -> bool:
    """Say whether a call may have had its effect after something that was asked for at `asked`."""
    return act["outcome"] == "unknown" or float(act["t"]) > asked


def may_have_settled(word: Event) -> bool:
    """Say whether a word ended its attempt: one that was refused when it was repeated may have been taken before."""
    return bool(word["outcome"] != "lost" or word.get("tries", 1) > 1)


def is_short(keep: object) -> bool:
    """Say whether jobs with this retention go during a run."""
    if isinstance(keep, dict):
        return bool(keep.get("age", LONG_S) < LONG_S)
    return keep is True or (isinstance(keep, int) and keep is not False)
