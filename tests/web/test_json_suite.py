"""JSONTestSuite, case by case, through add, list and get of a real server."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.postgres.database import Database
from tests.support import raw
from tests.support.json_suite import EITHER, GOOD
from tests.support.json_suite_bad import BAD
from tests.support.raw import TOKEN, Answer, Server

PATH = "/queues/q/jobs"
API = (Path(__file__).parents[2] / "app" / "docs" / "api.md").read_text()
UNSTORABLE = {"object_escaped_null_in_key", "string_null_escape"}
"""Cases with a NUL: JSON, but PostgreSQL's operators would stop at it. Of the cases y_ none has a lone surrogate."""
EMPTY = {"array_empty", "structure_whitespace_array"}
"""Cases that are good bodies: arrays without any job."""


class Speaker:
    """One connection to the server for many requests."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection

    def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        self._connection.request(method, path, body or None, {"Authorization": f"Bearer {TOKEN}"})
        answer = self._connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def add(self, *texts: bytes) -> Answer:
        """Add a job for each text, put as `data` into `[{"name":"n","data":<text>},...]`."""
        return self.ask("POST", PATH, b"[" + b",".join(b'{"name":"n","data":' + text + b"}" for text in texts) + b"]")


@pytest.fixture(scope="module")
def listening(shared_url: str) -> Iterator[Server]:
    """A server that neither ends a request nor a kept connection because the machine is slow."""
    with raw.server(shared_url, ROWLINE_CLIENT_S="60", **raw.PATIENT) as server:
        yield server


@pytest.fixture
def speaker(listening: Server, db: Database) -> Iterator[Speaker]:
    """Speaks to a server on an empty database; whatever was said, its log must be clean."""
    with _connection(listening.port) as connection:
        yield Speaker(connection)
    listening.check()


@contextmanager
def _connection(port: int) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    yield connection
    connection.close()


def data_in(answer: Answer) -> list[bytes]:
    """Take out the texts of `data` of all jobs: what stands in an answer between `"data":` and `,"opts":{}`."""
    return re.findall(rb'"data":(.*?),"opts":\{\}', answer.body, re.DOTALL)


def stored(db: Database) -> int:
    with db.read() as conn:
        return int(conn.exec_driver_sql("select count(*) from rowline.jobs").scalar_one())


def kept(text: bytes) -> bytes:
    """Say what of a text is its value: white space around it belongs to the body, not to the data."""
    return text.strip(b" \t\r\n")


def test_the_suite_is_whole() -> None:
    assert (len(GOOD), len(BAD), len(EITHER)) == (95, 188, 35)


def test_what_is_json_comes_back_to_the_letter(speaker: Speaker) -> None:
    texts = [text for name, text in GOOD.items() if name not in UNSTORABLE]

    added = speaker.add(*texts)
    page = speaker.ask("GET", f"{PATH}?length=100&order=asc")
    got = [speaker.ask("GET", f"{PATH}/{job['id']}") for job in json.loads(added.body)]

    values = [kept(text) for text in texts]
    assert {added.status, page.status, *(answer.status for answer in got)} == {200}
    assert (data_in(added), data_in(page)) == (values, values)
    assert [data_in(answer) for answer in got] == [[value] for value in values]


def test_json_that_postgresql_could_not_work_with_is_refused(speaker: Speaker, db: Database) -> None:
    assert {name: speaker.add(GOOD[name]).status for name in UNSTORABLE} == dict.fromkeys(UNSTORABLE, 400)
    assert stored(db) == 0


def test_what_is_no_json_is_refused(speaker: Speaker, db: Database) -> None:
    """Embedded, an unclosed case swallows the end of the body and a closed one leaves garbage: both are no JSON."""
    assert {name: speaker.add(text).status for name, text in BAD.items()} == dict.fromkeys(BAD, 400)
    assert stored(db) == 0


def test_where_parsers_differ_we_do_as_the_handbook_says(speaker: Speaker, db: Database) -> None:
    said = {kind: int(status) for kind, status in re.findall(r"^\| `i_(\w+)_\*` \| (\d+) \|", API, re.MULTILINE)}

    answers = {name: speaker.add(text) for name, text in EITHER.items()}

    assert {name: answer.status for name, answer in answers.items()} == {
        name: said[name.partition("_")[0]] for name in EITHER
    }
    taken = [name for name, answer in answers.items() if answer.status == 200]
    assert [data_in(answers[name]) for name in taken] == [[EITHER[name]] for name in taken]
    assert stored(db) == len(taken)


def test_no_case_is_a_body_but_the_empty_arrays(speaker: Speaker, db: Database) -> None:
    for name, text in (GOOD | BAD | EITHER).items():
        answer = speaker.ask("POST", PATH, text)
        assert answer.status == (200 if name in EMPTY else 400), name
        assert (answer.body == b"[]") is (name in EMPTY), name
    assert stored(db) == 0
