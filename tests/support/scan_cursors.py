"""Scan cursors that are in use on any machine, fast or slow."""

import pytest

from app.domain import scan

AN_AGE_S = 60.0


def slow_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no scan from the head count as quick, and none be due again before a test ends."""
    monkeypatch.setattr(scan, "QUICK_S", -1.0)
    monkeypatch.setattr(scan, "INTERVAL_S", AN_AGE_S)
    monkeypatch.setattr(scan, "LONGEST_S", AN_AGE_S)
