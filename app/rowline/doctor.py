"""What the doctor says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong. `severity`: broken (it breaks a promise), warning or hint."""

    code: str
    severity: str
    found: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is wrong with the database and the nodes, the worst first. `figures`: as the API sends them."""

    findings: tuple[Finding, ...]
    figures: dict[str, Any]
    as_of: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing breaks a promise."""
        return not any(one.severity == "broken" for one in self.findings)

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the diagnosis of a response. Unknown members are ignored."""
        return cls(
            findings=tuple(
                Finding(code=one["code"], severity=one["severity"], found=one["found"], todo=one["todo"])
                for one in members["findings"]
            ),
            figures=members["figures"],
            as_of=members["asOf"],
        )
