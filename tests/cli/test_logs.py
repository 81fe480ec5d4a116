"""`rowline jobs logs --follow`, as a person calls it beside a service."""

import json

from tests.support import raw
from tests.support.clusters import PYTHON, Program
from tests.support.commands import said
from tests.support.raw import Server


def claim(server: Server) -> str:
    [claimed] = server.ask(raw.request("POST", "/queues/mail/jobs/claim", body=b"{}"), wanted=1)
    return str(claimed.json()["jobs"][0]["token"])


def log(server: Server, token: str, *texts: str) -> None:
    for text in texts:
        request = raw.request("POST", "/queues/mail/jobs/mine/logs", body=json.dumps(text).encode(), token=token)
        [answer] = server.ask(request, wanted=1)
        assert answer.status == 200


def complete(server: Server, token: str) -> None:
    body = json.dumps({"token": token}).encode()
    [answer] = server.ask(raw.request("POST", "/queues/mail/jobs/mine/complete", body=body), wanted=1)
    assert answer.status == 200


def following(api: str, *words: str) -> Program:
    place = {"DATABASE_URL": "", "ROWLINE_URL": api, "ROWLINE_TOKEN": raw.TOKEN}
    return Program([*PYTHON, "-m", "app", "jobs", "logs", "mail", "mine", "-f", *words], env=place)


def test_lines_are_printed_as_they_come_until_the_job_has_ended(api: str, server: Server) -> None:
    said(api, "jobs", "add", "mail", "n", "--job-id", "mine")
    token = claim(server)
    log(server, token, "one", "two", "two")
    with following(api, "--last", "2") as program:
        program.expect("two")
        program.expect("two")
        log(server, token, "two", "\x1bfour")
        program.expect("\N{REPLACEMENT CHARACTER}four")
        complete(server, token)
        assert program.end() == 0
    assert program.output == "two\ntwo\ntwo\n\N{REPLACEMENT CHARACTER}four\njob 'mine' is completed\n"


def test_a_full_log_is_followed_too_and_says_what_it_missed(api: str, server: Server) -> None:
    said(api, "jobs", "add", "mail", "n", "--job-id", "mine", "--keep-logs", "3")
    token = claim(server)
    log(server, token, "1", "2", "3")
    with following(api, "--json") as program:
        program.expect('"3"')
        log(server, token, "4")
        program.expect('"4"')
        log(server, token, "5", "6")
        program.expect('"6"')
        complete(server, token)
        assert program.end() == 0
    told = [line for line in program.output.splitlines() if line.startswith('"')]
    assert told == ['"1"', '"2"', '"3"', '"4"', '"5"', '"6"']


def test_a_job_that_goes_as_it_completes_ends_it(api: str, server: Server) -> None:
    said(api, "jobs", "add", "mail", "n", "--job-id", "mine", "--remove-on-complete", "true")
    token = claim(server)
    log(server, token, "one")
    with following(api) as program:
        program.expect("one")
        complete(server, token)
        assert program.end() == 0
    assert program.output == "one\njob 'mine' is not there any more\n"


def test_of_a_job_that_has_ended_all_is_printed(api: str, server: Server) -> None:
    said(api, "jobs", "add", "mail", "n", "--job-id", "mine")
    token = claim(server)
    log(server, token, "one")
    complete(server, token)
    assert said(api, "jobs", "logs", "mail", "mine", "-f").splitlines() == ["one", "job 'mine' is completed"]
    assert "no job 'absent'" in said(api, "jobs", "logs", "mail", "absent", "-f", code=3)
    assert "exclude each other" in said(api, "jobs", "logs", "mail", "mine", "-f", "--watch", "--json", code=2)
