"""Headers of endpoints, which may be secrets: `ps` shows the arguments of a command to everybody."""

from pathlib import Path

import pytest

from app.cli import service
from tests.support.commands import lines, said

REGISTER = ("endpoints", "register", "post", "https://example.com/jobs")


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bodies that commands send."""
    sent: list[str] = []
    send = service.Service.send

    def noted(self: service.Service, method: str, path: str, body: str | None = None, **more: bool) -> service.Reply:
        sent.append(body or "")
        return send(self, method, path, body, **more)

    monkeypatch.setattr(service.Service, "send", noted)
    return sent


def test_headers_are_read_from_a_file_and_from_standard_input(api: str, tmp_path: Path, bodies: list[str]) -> None:
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer s3cret:x\r\n\n  X-Team :  mail \n")
    said(api, *REGISTER, "--header", f"@{file}", "--header", "X-More: 1")
    assert '"headers": {"Authorization": "Bearer s3cret:x", "X-Team": "mail", "X-More": "1"}' in bodies[-1]
    for name in ("-", "@-"):
        said(api, *REGISTER, "--header", name, given="X-Key: from-input\n")
        assert '"headers": {"X-Key": "from-input"}' in bodies[-1]
    file.write_text("")
    said(api, *REGISTER, "--header", f"@{file}")
    assert "headers" not in bodies[-1]
    assert [one["queue"] for one in lines(api, "endpoints", "list")] == ["post"]


@pytest.mark.parametrize(
    ("text", "told"),
    [(b"X-A: 1\n\nBearer s3cret\n", "line 3 of @"), (b": s3cret", "line 1 of @"), (b"\xff", "not UTF-8")],
)
def test_a_file_that_has_no_headers_is_refused_without_a_word_of_it(
    api: str, tmp_path: Path, text: bytes, told: str
) -> None:
    file = tmp_path / "headers"
    file.write_bytes(text)
    shown = said(api, *REGISTER, "--header", f"@{file}", code=2)
    assert told in shown.replace("\n", " ")
    assert "s3cret" not in shown


def test_a_file_that_is_not_there_is_named(api: str) -> None:
    assert "@/no/such/file cannot be read: No such file" in said(api, *REGISTER, "--header", "@/no/such/file", code=2)
