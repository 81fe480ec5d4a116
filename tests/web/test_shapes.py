"""What a body costs depends on its length, not on its shape."""

import base64
import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Callable

import gevent
import pytest

from app.domain.errors import InvalidRequest
from app.domain.job import Failure, LeaseKey
from app.web.endpoints import schemas
from app.web.jobs import new_job
from app.web.leases import schemas as work
from app.wire import objects
from tests.support import answers, raw
from tests.support.client import Client
from tests.support.instructions import instructions
from tests.support.raw import Server
from tests.support.shapes import SHAPES

JOBS = "/queues/q/jobs"
TOKEN = "7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"
SIZE = 200_000
MOST = 2**20
Read = Callable[[bytes], object]


def _told(member: str) -> str:
    return f'{{"id":"1","token":"{TOKEN}","{member}":%s}}'


READERS: dict[str, tuple[str, Read]] = {
    "jobs": ('[{"name":"n","data":%s}]', lambda sent: new_job.load(sent, max_jobs=10_000, max_data_bytes=MOST)),
    "opts": (
        '[{"name":"n","data":0,"opts":{"jobId":%s}}]',
        lambda sent: new_job.load(sent, max_jobs=10_000, max_data_bytes=MOST),
    ),
    "a member that is none": (
        '[{"name":"n","data":0,"x":%s}]',
        lambda sent: new_job.load(sent, max_jobs=10_000, max_data_bytes=MOST),
    ),
    "elements": ("[1,%s]", lambda sent: new_job.load(sent, max_jobs=10_000, max_data_bytes=MOST)),
    "complete": (
        f'{{"token":"{TOKEN}","returnvalue":%s}}',
        lambda sent: work.load_complete(sent, job_id="1", max_data_bytes=MOST),
    ),
    "fail": (
        f'{{"token":"{TOKEN}","stacktrace":%s}}',
        lambda sent: work.load_fail(sent, job_id="1", max_body_bytes=MOST),
    ),
    "lines": (
        f'{{"token":"{TOKEN}","stacktrace":["\\ud800",%s]}}',
        lambda sent: work.load_fail(sent, job_id="1", max_body_bytes=MOST),
    ),
    "finish": (
        f'{{"jobs":[{_told("returnvalue")}]}}',
        lambda sent: work.load_finish(sent, lease_ms=1, worker="w", max_data_bytes=MOST, max_body_bytes=MOST),
    ),
    "claim": ('{"worker":%s}', lambda sent: work.load_claim(sent, lease_ms=1, max_wait_ms=1, worker="w")),
    "workers": ('{"queue":"q","endpoint":{"url":%s}}', lambda sent: schemas.load(sent, allowed=())),
    "progress": ('{"a":%s}', objects.read_value),
}


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="instructions are of Python 3.11, as CI has it")
@pytest.mark.parametrize("route", READERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_takes_instructions_for_each_of_its_parts(route: str, shape: str) -> None:
    form, read = READERS[route]
    sent = (form % SHAPES[shape](SIZE)).encode()

    def outcome() -> None:
        with contextlib.suppress(InvalidRequest):
            read(sent)

    assert instructions(outcome) <= 20_000  # the shapes have up to 100,000 parts


@pytest.mark.parametrize("form", ['"failedReason":"%s"', '"stacktrace":["%s","a"]'])
def test_failures_with_half_characters_cost_about_what_others_do(form: str) -> None:
    """The work is in C, where no instruction is counted: beside as many good ones, 2 times as much; a slip was 240."""
    _, read = READERS["finish"]

    def took_s(text: str) -> float:
        told = ",".join(f'{{"id":"{nth}","token":"{TOKEN}",{form % text}}}' for nth in range(500))
        began_at = time.process_time()
        read(f'{{"jobs":[{told}]}}'.encode())
        return time.process_time() - began_at

    assert min(took_s("\\ud800" * 160) for _ in range(3)) < 20 * min(took_s("x" * 960) for _ in range(3))


def _load(jobs: list[str]) -> None:
    with contextlib.suppress(InvalidRequest):
        new_job.load(f"[{','.join(jobs)}]".encode(), max_jobs=10_000, max_data_bytes=MOST)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="instructions are of Python 3.11, as CI has it")
@pytest.mark.parametrize(
    ("first", "odd"),
    [
        ("", ",".join(f'"m:{nth:02}":0' for nth in range(97))),
        ("", ",".join(f'"m{nth}":{json.dumps([{"a": 1}] * 30)}' for nth in range(50))),
        ("", f'"opts":{{"attempts":{json.dumps([{"a": 1}] * 900)}}}'),
        ("", '"x":"\\ud800"'),
        ("", '"name":"m"'),
        ('{"name":"n","name":"m","data":0}', '"opts":{}'),
    ],
)
def test_objects_of_ours_at_fault_cost_no_more_than_good_ones(first: str, odd: str) -> None:
    jobs = 600
    members = jobs * odd.count('":')

    at_fault = instructions(lambda: _load([*filter(None, [first]), *[f'{{"name":"n","data":0,{odd}}}'] * jobs]))

    assert at_fault <= 3 * instructions(lambda: _load(['{"name":"n","data":0,"opts":{}}'] * jobs)) + 25 * members


@pytest.mark.parametrize("value", ["[" * 200 + "]" * 200, '"\\u0000"', "1" * 2_000, '{"a":1,"a":2}'])
def test_nobody_looks_into_the_values_of_a_member_that_is_none(client: Client, value: str) -> None:
    error = answers.error(client.post(JOBS, f'[{{"name":"n","data":0,"dat":{value}}}]'), 400)

    assert error == "jobs[0].dat is not known here"


@pytest.mark.parametrize("path", [f"{JOBS}/claim", f"{JOBS}/1/extend", f"{JOBS}/1/release", "/workers"])
def test_a_body_that_has_nothing_of_any_length_is_short(client: Client, path: str) -> None:
    said = answers.problem(client.post(path, json.dumps({"worker": "x" * 131_072})), 413)

    assert said["error"] == "body must be at most 131072 bytes"


@pytest.mark.parametrize("value", ["[" + "[]," * 100 + "1]", "[" + '{"a":1},' * 1_000 + "1]"])
def test_an_endpoint_has_no_hundreds_of_parts(client: Client, value: str) -> None:
    answer = client.post("/workers", f'{{"queue":"q","endpoint":{{"headers":{value}}}}}')

    assert answers.error(answer, 400) == "endpoint must not have more than 100 brackets"


@pytest.mark.parametrize(
    ("path", "form"), [(JOBS, "[%s]"), (f"{JOBS}/finish", '{"jobs":[%s]}')], ids=["jobs", "finish"]
)
@pytest.mark.parametrize("each", ["{}", '{"a":0}', '{"data":0,"data":0}', "{"])
@pytest.mark.parametrize("count", [11_000, 40_000])
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="instructions are of Python 3.11, as CI has it")
def test_of_too_many_objects_no_more_are_looked_at_than_there_may_be(
    path: str, form: str, each: str, count: int
) -> None:
    sent = (form % ",".join([each] * count)).encode()
    _, read = READERS["finish" if path.endswith("finish") else "jobs"]

    def outcome() -> None:
        with contextlib.suppress(InvalidRequest):
            read(sent)

    assert instructions(outcome) <= 300_000


@pytest.mark.parametrize("where", ["opts", "endpoint"])
def test_an_endpoint_has_no_thousands_of_members(client: Client, where: str) -> None:
    members = ",".join(f'"{nth}":0' for nth in range(10_000))
    answer = client.post("/workers", f'{{"queue":"q","{where}":{{{members}}}}}')

    assert answers.error(answer, 400) == f"{where} must not have more than 500 colons"


def test_options_are_short(client: Client) -> None:
    said = answers.problem(client.post(JOBS, json.dumps([{"name": "n", "data": 0, "opts": {"x": "y" * 8_192}}])), 413)

    assert said["error"] == "jobs[0].opts must be at most 8192 bytes"


@pytest.mark.parametrize("shape", ["towers of 9 arrays", "objects of one member", "brackets in strings"])
def test_a_long_body_lets_others_run_while_it_is_read(shape: str) -> None:
    turns: list[None] = []

    def neighbour() -> None:
        while not reading.ready():
            turns.append(None)
            gevent.sleep(0)

    sent = f'[{{"name":"n","data":{SHAPES[shape](MOST - 100)}}}]'.encode()
    reading = gevent.spawn(new_job.load, sent, max_jobs=1, max_data_bytes=MOST)
    gevent.joinall([reading, gevent.spawn(neighbour)])

    assert len(reading.get()) == 1
    assert len(turns) >= 3


@pytest.mark.parametrize("depth", [129, 940, 945, 947, 949, 1_000, 5_000])
@pytest.mark.parametrize(
    ("path", "form"),
    [
        (JOBS, '[{"name":"n","data":%s}]'),
        (JOBS, '[{"name":"n","data":1,"opts":{"backoff":%s}}]'),
        (f"{JOBS}/claim", '{"count":%s}'),
        (f"{JOBS}/finish", '{"jobs":[],"claim":%s}'),
        (f"{JOBS}/finish", f'{{"jobs":[{_told("returnvalue")}]}}'),
        (f"{JOBS}/1/fail", f'{{"token":"{TOKEN}","stacktrace":%s}}'),
        ("/workers", '{"queue":"q","endpoint":{"headers":%s}}'),
    ],
)
def test_no_depth_is_too_much_for_an_answer(client: Client, path: str, form: str, depth: int) -> None:
    answers.problem(client.post(path, form % ("[" * depth + "]" * depth)), 400)


@pytest.mark.parametrize("data", ['"' + "x" * MOST + '"', "[" + "[]," * 400_000])
@pytest.mark.parametrize("others", ["", '{"name":"n","data":1},' * 3])
def test_what_is_too_long_is_refused_before_it_is_looked_at(client: Client, data: str, others: str) -> None:
    said = answers.problem(client.post(JOBS, f'[{others}{{"name":"n","data":{data}'), 413)

    assert said["error"] == f"jobs[{3 if others else 0}].data must be at most 1048576 bytes"


def test_a_body_of_many_mebibytes_is_read_to_the_letter(client: Client) -> None:
    data = [f'{{"n": {nth}.50, "{nth}": "{"x" * 9_000}"}}' for nth in range(300)]
    sent = "[ " + " , ".join(f'{{"data" : {text} , "name":"n{nth}"}}' for nth, text in enumerate(data)) + " ]\n"

    jobs = new_job.load(sent.encode(), max_jobs=300, max_data_bytes=MOST)

    assert [(job.name, job.data) for job in jobs] == [(f"n{nth}", text) for nth, text in enumerate(data)]


@pytest.mark.parametrize(
    ("last", "error"),
    [
        ('{"name":"n","data":[}', "jobs[300].data is not JSON: invalid character at character"),
        ('{"name":"n","data":1,"data":2}', "jobs[300].data is there twice"),
        ("[]", "jobs[300] must be an object"),
        ('{"name":"n","data":"\\u0000"}', "jobs[300].data must not contain \\u0000"),
        ('{"name":"n","data":1} 5', "body is not JSON: expected ',' at character"),
        ('{"name":"n","dat":1}', "jobs[300].data is required"),
    ],
)
@pytest.mark.parametrize("size", [10, 9_000])
def test_a_fault_far_into_a_body_is_named_by_its_place(client: Client, size: int, last: str, error: str) -> None:
    good = json.dumps({"name": "n", "data": {"x": ["y" * size, {}]}})

    assert answers.error(client.post(JOBS, f"[{f'{good},' * 300}{last}]"), 400).startswith(error)


@pytest.mark.parametrize(
    "odd", ["[,%s]", "[%s,,%s]", "[%s %s]", "[%s,%s,]", "[,%s,%s]", "[[],%s]", "{%s}", "[%s]]", "[%s]["]
)
@pytest.mark.parametrize("data", ["1", '[{"a":{}},{"b":[{}]}]', '"{"'])
def test_no_broken_array_is_taken_for_one_that_is_whole(client: Client, odd: str, data: str) -> None:
    answers.problem(client.post(JOBS, odd.replace("%s", f'{{"name":"n","data":{data}}}')), 400)
    assert sum(client.page()["counts"].values()) == 0


def test_after_a_hundred_faults_nobody_looks_for_more(client: Client) -> None:
    said = answers.problem(client.post(JOBS, json.dumps([{"name": "", "data": 0}] * 5_000)), 400)

    assert [fault["path"] for fault in said["details"]] == [f"jobs[{nth}].name" for nth in range(100)]


@pytest.mark.parametrize("count", [2, 1_000])
@pytest.mark.parametrize(
    ("path", "form"), [(JOBS, "[%s]"), (f"{JOBS}/finish", '{"jobs":[%s]}')], ids=["jobs", "finish"]
)
def test_after_a_hundred_unknown_members_nobody_looks_for_more(
    client: Client, path: str, form: str, count: int
) -> None:
    odd = json.dumps({"name": "n", "data": 0, "id": "1", "token": TOKEN} | {chr(161 + nth): 0 for nth in range(90)})

    details = answers.problem(client.post(path, form % ",".join([odd] * count)), 400)["details"]

    assert len([fault for fault in details if fault["message"] == "is not known here"]) == 100
    assert details[-1]["path"].startswith("jobs[1].")


def test_an_object_of_ours_has_no_thousands_of_members(client: Client) -> None:
    job = {"name": "n", "data": 0} | {f"m{nth}": 0 for nth in range(90_000)}

    assert answers.error(client.post(JOBS, json.dumps([job])), 400) == "jobs[0] has more than 100 members"


@pytest.mark.parametrize("route", ["progress", "logs"])
@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_nothing_is_read_of_who_only_pretends_to_run_a_job(server: Server, route: str, framing: str) -> None:
    """The answer is there before the body."""
    sent = raw.request("POST", f"{JOBS}/1/{route}", framing, token=TOKEN)

    [answer] = server.ask(sent, wanted=1)

    assert (answer.status, answer.json()["code"]) == (401, "unauthorized")


HALF = '"half \\ud83d of one"'


@pytest.mark.parametrize("member", ["failedReason", "stacktrace"])
@pytest.mark.parametrize(
    "value",
    [
        '"\\x"',
        '"\\ud83"',
        f'[{HALF} "b"]',
        f"[{HALF},]",
        f"[,{HALF}]",
        f"[{HALF}",
        f"[{HALF},1]",
        f"[[{HALF}]]",
        f'{{"a":{HALF}}}',
        '["\\ud8","x"]',
        '["\\ud800","\\ud8"," "]',
        '"\\ud8\\""',
        '"\\ud800\x00\x00"',
    ],
)
def test_what_is_no_string_is_refused_where_half_a_character_may_stand(client: Client, member: str, value: str) -> None:
    single = client.post(f"{JOBS}/1/fail", f'{{"token":"{TOKEN}","{member}":{value}}}')
    many = client.post(f"{JOBS}/finish", f'{{"jobs":[{{"id":"1","token":"{TOKEN}","{member}":{value}}}]}}')

    assert [member in answers.error(answer, 400) for answer in (single, many)] == [True, True]


@pytest.mark.parametrize("stack", [HALF, f"[{HALF}]", f'[ {HALF} ,\n"b" ]', "[]", "null"])
def test_half_a_character_keeps_no_failure_from_being_told(client: Client, stack: str) -> None:
    [job] = client.add({"name": "n", "data": 1, "opts": {"attempts": 1}})
    [held] = json.loads(client.post(f"{JOBS}/claim", "").text)["jobs"]
    said = f'{{"token":"{held["token"]}","failedReason":{HALF},"stacktrace":{stack}}}'

    assert client.post(f"{JOBS}/{job['id']}/fail", said).status_code == 200
    assert client.job(job["id"])["failedReason"] == "half ? of one"


@pytest.mark.parametrize("line", ['"\\ud800"', '"a\\\\ud800"', '"\\ud83d\\ude00"', '" \\" "', '"é\\udE00"'])
@pytest.mark.parametrize("comma", [",", " ,\n"])
def test_of_many_lines_the_end_is_kept(line: str, comma: str) -> None:
    lines = [line] * (500_000 // len(line.encode() + comma.encode()))
    said = f'{{"token":"{TOKEN}","stacktrace":[{comma.join(lines)}],"failedReason":"r"}}'.encode()
    whole = "\n".join(map(json.loads, lines)).encode(errors="replace").decode()

    failure = work.load_fail(said, job_id="1", max_body_bytes=4 * MOST).of_lease(LeaseKey(number=1, token=TOKEN))

    assert isinstance(failure, Failure)
    assert failure.stack == whole[-50_000:]


def test_of_too_many_lines_it_is_said_that_there_were_too_many() -> None:
    lines = json.dumps(["at line"] * 60_000)
    said = f'{{"token":"{TOKEN}","stacktrace":{lines}}}'.encode()

    failure = work.load_fail(said, job_id="1", max_body_bytes=4 * MOST).of_lease(LeaseKey(number=1, token=TOKEN))

    assert isinstance(failure, Failure)
    assert failure.stack == "the stack trace was too long to keep"


@pytest.mark.parametrize("unit", ["x", "\\n", "\\\\", "\\u00e9", "\\ud83d\\ude00", "\\ud800", "é"])
@pytest.mark.parametrize("shift", ["", "\\\\", "\\u0041", "\\ud83d\\ude00", "abc"])
def test_of_a_long_failure_the_beginning_is_kept_and_of_its_trace_the_end(unit: str, shift: str) -> None:
    text = shift + unit * (1_500_000 // len(unit)) + shift
    said = f'{{"token":"{TOKEN}","failedReason":"{text}","stacktrace":"{text}"}}'.encode()
    whole = json.loads(f'"{text}"').encode(errors="replace").decode()

    failure = work.load_fail(said, job_id="1", max_body_bytes=4 * MOST).of_lease(LeaseKey(number=1, token=TOKEN))

    assert isinstance(failure, Failure)
    assert (failure.reason, failure.stack) == (whole[:10_000], whole[-50_000:])


@pytest.mark.parametrize("value", ['["a","b"]', "[]", "[" + "0," * 600_000 + "0]", '{"a":1}', "0"])
def test_a_reason_is_one_string(client: Client, value: str) -> None:
    said = f'{{"token":"{TOKEN}","failedReason":{value}}}'

    assert answers.error(client.post(f"{JOBS}/1/fail", said), 400) == "failedReason must be a string"


@pytest.mark.parametrize("member", ["failedReason", "stacktrace"])
def test_a_number_of_any_length_is_no_reason(client: Client, member: str) -> None:
    said = f'{{"token":"{TOKEN}","{member}":{"1" * 5_000}}}'

    assert member in answers.error(client.post(f"{JOBS}/1/fail", said), 400)


@pytest.mark.parametrize(
    "path", [f"{JOBS}/claim", f"{JOBS}/1/complete", f"{JOBS}/1/fail", f"{JOBS}/1/extend", "/workers"]
)
@pytest.mark.parametrize("value", ["[]", "[{}]", "1"])
def test_a_member_without_a_name_is_one_that_is_not_known(client: Client, path: str, value: str) -> None:
    answers.problem(client.post(path, f'{{"token":"{TOKEN}","":{value}}}'), 400)


@pytest.mark.parametrize("text", ["0.1.desc.foo", "0.1.desc.-"])
def test_a_cursor_with_a_status_that_there_is_not_is_refused(client: Client, text: str) -> None:
    digest = hashlib.sha256(f"q\0{text}".encode()).digest()[:6]
    cursor = base64.urlsafe_b64encode(digest + text.encode()).decode().rstrip("=")

    assert "cursor" in answers.error(client.get(f"{JOBS}?cursor={cursor}"), 400)
