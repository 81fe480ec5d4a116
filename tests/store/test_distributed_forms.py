"""No statement has a form that a distributed engine refuses, but for those that decision 49 keeps.

What is looked at is PostgreSQL's own analysis of the statement, as it stores the body of an SQL function.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.store.statements import Statement
from tests.support import databases

SQL = Path(__file__).parents[2] / "app" / "store" / "sql"
NAMES = [f"{file.parent.name}/{file.stem}" for file in sorted(SQL.glob("[a-z]*/*.sql"))]
UPDATE = "2"
ARRAY_OF = "6"  # array(select ...)
ADVISORY, LOCKS_ALL, RECURSIVE = "takes an advisory lock", "locks rows of all queues", "is recursive"
VOLATILE, STABLE = "UPDATE with a volatile function", "UPDATE with a stable function of a column"
CHOICE, SLICE = "UPDATE with a stable function in CASE or COALESCE", "UPDATE with an array slice in SET"
KEPT = {
    "counts/await_lock": {ADVISORY},
    "counts/try_lock": {ADVISORY},
    "jobs/try_promotion": {ADVISORY},
    "keys/forget": {LOCKS_ALL},
    "keys/try_lock": {ADVISORY},
    "metrics/queues": {RECURSIVE},
    "minutes/forget": {LOCKS_ALL},
    "minutes/forget_days": {LOCKS_ALL},
    "minutes/forget_hours": {LOCKS_ALL},
    "plans/lock_queue": {ADVISORY},
    "leases/fail": {SLICE},
    "leases/release": {STABLE, CHOICE},
    "leases/retry_later": {SLICE, STABLE},
    "queues/stand": {RECURSIVE},
    "retention/own": {RECURSIVE},
    "tokens/lock": {LOCKS_ALL},
    "workers/forget": {LOCKS_ALL},
}
"""What decision 49 keeps, and says why."""
CASES = [
    ("update rowline.jobs set lease_token = gen_random_uuid() where queue = $1::text returning number", {VOLATILE}),
    ("update rowline.jobs set run_at = run_at + interval '1 s' where queue = $1::text returning number", {STABLE}),
    ("update rowline.jobs set run_at = coalesce(run_at, now()) where queue = $1::text returning number", {CHOICE}),
    (
        "update rowline.jobs set finished_at = case when lifo then now() end where queue = $1::text returning number",
        {CHOICE},
    ),
    ("update rowline.jobs set stacktrace = stacktrace[2:] where queue = $1::text returning number", {SLICE}),
    ("update rowline.jobs set tags = array(select unnest(tags[2:])) where queue = $1::text returning number", set()),
    ("update rowline.jobs set stacktrace[2] = 'a', finished_at = now() where queue = $1::text returning number", set()),
    ("select number from rowline.jobs where status = $1::text for update", {LOCKS_ALL}),
    ("select number from rowline.jobs where queue = $1::text for update", set()),
    ("select pg_try_advisory_lock(1), $1::text", {ADVISORY}),
    ("with recursive a as (select 1 as b union all select b from a) select b, $1::text from a", {RECURSIVE}),
]
TOKEN = re.compile(r'[{}()]|"(?:[^"\\]|\\.)*"|(?:[^\s(){}\\]|\\.)+')


@dataclass(slots=True)
class Node:
    """A node of an analysed statement, its fields by name; each has a list of words and nodes."""

    kind: str
    fields: dict[str, list[Any]] = field(default_factory=dict)

    def one(self, name: str) -> Any:
        return self.fields[name][0]

    def below(self, *skipped: str) -> Iterator["Node"]:
        """Yield this node and all below it, without the fields `skipped` of this one."""
        yield self
        for name, values in self.fields.items():
            if name not in skipped:
                for node in values:
                    if isinstance(node, Node):
                        yield from node.below()


def parsed(text: str) -> list[Node]:
    """Read PostgreSQL's text form of nodes. Parentheses are left out: they only group."""
    done = Node("", {"": []})
    stack, names = [done], [""]
    for word in TOKEN.findall(text):
        if word == "{":
            node = Node("")
            stack[-1].fields[names[-1]].append(node)
            stack.append(node)
            names.append("")
        elif word == "}":
            stack.pop()
            names.pop()
        elif word in "()":
            continue
        elif not stack[-1].kind and len(stack) > 1:
            stack[-1].kind = word
        elif word.startswith(":"):
            names[-1] = word[1:]
            stack[-1].fields[word[1:]] = []
        else:
            stack[-1].fields[names[-1]].append(word)
    return done.fields[""]


@pytest.fixture(scope="module")
def connection(shared_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(databases.as_owner(shared_url), prepare_threshold=None) as connected:
        yield connected


@pytest.fixture(scope="module")
def functions(connection: psycopg.Connection[Any]) -> dict[str, tuple[str, str]]:
    """Return the names and volatilities of all functions, by oid."""
    found = connection.execute("select oid::text, proname, provolatile::text from pg_proc").fetchall()
    return {oid: (name, volatility) for oid, name, volatility in found}


def analysed(connection: psycopg.Connection[Any], text: str) -> list[Node]:
    """Return the queries of a statement: of itself, its CTEs and subqueries."""
    with connection.transaction(force_rollback=True):
        connection.execute("deallocate all")
        connection.execute(f"prepare statement as {text}".encode())
        [(types,)] = connection.execute("select parameter_types::text[] from pg_prepared_statements").fetchall()
        body = f"returns setof record language sql begin atomic {text.rstrip()}; end"
        connection.execute(f"create function pg_temp.statement({', '.join(types)}) {body}".encode())
        [(tree,)] = connection.execute("select prosqlbody::text from pg_proc where proname = 'statement'").fetchall()
    return [node for top in parsed(tree) for node in top.below() if node.kind == "QUERY"]


def forms(queries: list[Node], functions: dict[str, tuple[str, str]]) -> set[str]:
    """Return which of the refused forms there are."""
    found = set()
    for query in queries:
        nodes = list(query.below())
        names = {functions[oid][0] for node in nodes for oid in node.fields.get("funcid", [])}
        if any("advisory" in name for name in names):
            found.add(ADVISORY)
        if any(node.fields.get("cterecursive") == ["true"] for node in nodes):
            found.add(RECURSIVE)
        if query.fields["rowMarks"] != ["<>"] and not names_queue(query, functions):
            found.add(LOCKS_ALL)
        if query.one("commandType") == UPDATE:
            found |= forms_of_update(query, functions)
    return found


def names_queue(query: Node, functions: dict[str, tuple[str, str]]) -> bool:
    """Whether the rows that `query` locks are of one queue: `queue`, the first column everywhere, equals something."""
    return any(
        arg.kind == "VAR" and arg.one("varattno") == "1"
        for node in query.one("jointree").below()
        if node.kind == "OPEXPR" and functions[node.one("opfuncid")][0] == "texteq"
        for arg in node.fields["args"]
    )


def forms_of_update(query: Node, functions: dict[str, tuple[str, str]]) -> set[str]:
    def volatilities(node: Node) -> set[str]:
        return {functions[oid][1] for name in ("funcid", "opfuncid") for oid in node.fields.get(name, [])}

    found = set()
    for part in ("targetList", "jointree", "returningList"):
        nodes = [node for top in query.fields[part] if isinstance(top, Node) for node in top.below()]
        for node in nodes:
            if "v" in volatilities(node):
                found.add(VOLATILE)
            if "s" in volatilities(node) and any(below.kind == "VAR" for below in node.below()):
                found.add(STABLE)
            if node.kind in ("CASEEXPR", "COALESCEEXPR") and any("s" in volatilities(below) for below in node.below()):
                found.add(CHOICE)
    if any(has_slice(top) for top in query.fields["targetList"]):
        found.add(SLICE)
    return found


def has_slice(node: Node) -> bool:
    """Whether there is an array slice that is not in an `array(select ...)`."""
    if node.kind == "SUBLINK" and node.one("subLinkType") == ARRAY_OF:
        return False
    if node.kind == "SUBSCRIPTINGREF" and node.fields["reflowerindexpr"] != ["<>"]:
        return True
    return any(has_slice(below) for values in node.fields.values() for below in values if isinstance(below, Node))


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_has_no_form_that_a_distributed_engine_refuses(
    connection: psycopg.Connection[Any], functions: dict[str, tuple[str, str]], name: str
) -> None:
    assert forms(analysed(connection, Statement(name).prepared), functions) == KEPT.get(name, set())


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_form_that_a_distributed_engine_refuses_is_seen(
    connection: psycopg.Connection[Any], functions: dict[str, tuple[str, str]], text: str, expected: set[str]
) -> None:
    assert forms(analysed(connection, text), functions) == expected
