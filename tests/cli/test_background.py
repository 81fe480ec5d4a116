"""Ctrl-C while a command waits for a plan, which goes on."""

import json
import signal
from pathlib import Path

import pytest

from tests.support import databases
from tests.support.clusters import PYTHON, Program, until
from tests.support.commands import said

SCRIPT = Path(PYTHON[0]).with_name("rowline")
SLOWLY = """
create function public.slowly() returns trigger language plpgsql as 'begin
    if exists (select from rowline.plans where done > 0) then
        perform pg_sleep(60);
    end if;
    return old;
end';
create trigger slowly before delete on rowline.jobs for each row execute function public.slowly()
"""
"""Jobs are removed in the first step of a plan, and in no further one."""
ASKED_AT = "select query_start from pg_stat_activity where application_name like 'rowline-cli%'"


def add(url: str, number: int) -> None:
    databases.run(url, f"select rowline.enqueue('my mail', 'n', '1') from generate_series(1, {number})")


def told(plan_id: str) -> str:
    where = f"'my mail' {plan_id}"
    look, stop = f"Look: rowline plans show {where}.", f"Stop: rowline plans stop {where}."
    return f"The plan goes on in the background. {look} {stop}\n"


def test_ctrl_c_while_a_plan_is_applied_says_that_it_goes_on(own_url: str) -> None:
    add(own_url, 1)
    plan = json.loads(said(own_url, "plans", "make", "my mail", "remove", "--name", "n", "--json"))
    apply = [SCRIPT, "plans", "apply", "my mail", plan["id"], "--matched", "1", "--wait"]
    with Program(apply, env={"DATABASE_URL": own_url}) as program:
        until(lambda: databases.ask(own_url, "select status from rowline.plans") == [("applying",)])
        before = databases.ask(own_url, ASKED_AT)
        until(lambda: databases.ask(own_url, ASKED_AT) != before)  # it looks how far the plan is
        program.process.send_signal(signal.SIGINT)
        assert program.end() == 130
        assert program.output == told(plan["id"])


@pytest.mark.parametrize(
    "words", [["drain", "--yes"], ["clean", "--status", "waiting", "--yes"], ["obliterate", "--yes"]]
)
def test_ctrl_c_while_jobs_are_removed_says_that_it_goes_on(own_url: str, words: list[str]) -> None:
    add(own_url, 3_000)
    databases.run(own_url, SLOWLY)
    verb, *options = words
    with Program([SCRIPT, "queues", verb, "my mail", *options], env={"DATABASE_URL": own_url}) as program:
        until(lambda: databases.ask(own_url, "select id from rowline.plans where done > 0"))
        program.process.send_signal(signal.SIGINT)
        assert program.end() == 130
        [(plan_id, status)] = databases.ask(own_url, "select id::text, status from rowline.plans")
        unknown = "The plan goes on in the background. Look: rowline plans list 'my mail'.\n"
        assert program.output in {told(plan_id), unknown}, "by whether the service has responded with the plan"
        assert status == "applying"
