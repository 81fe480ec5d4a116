"""The rules of the house that no linter knows."""

import ast
import configparser
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain import errors
from app.postgres import database
from app.store.options import FRAGMENTS
from app.store.statements import whole
from app.web import incoming, problems, worker

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
MODULES = sorted(APP.rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((APP / "docs").rglob("*.md"))]
STATEMENTS = sorted((APP / "store" / "sql").glob("[a-z]*/*.sql"))
OF_NO_QUEUE = {"tokens", "sessions", "audit", "settings", "events", "doctor", "metrics"}
OVER_ALL_QUEUES = {"look", "connected", "count_all", "forget", "fold", "try_lock", "await_lock", "recount"} | {
    "name_queues",
    "forget_unused",
    "require_release",
    "is_any_at_once",
    "transactions",
    "page",
    "finished",
    "own",
    "forget_removed",
    "forget_packs",
    "forget_days",
    "forget_hours",
    "begin",
    "unstarted",
    "note",
    "search_all",
    "missing",
    "running",
    "ended",
    "next_to_follow",
    "oldest",
    "await",
    "clear_all",
    "next_tagged",
    "unfinished",
    "orphans",
    "clock",
    "find_of_all",
    "page_of_all",
}
PARTS_OF_VERBS = {"retry_completions"}
"""Functions of operations that other operations call, behind their commit."""
FUNCTION_LINES, FILE_LINES, DECISION_LINES = 60, 400, 40


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))], ids=name)
def test_files_and_functions_can_be_read_in_one_go(module: Path) -> None:
    text = module.read_text()
    assert text.count("\n") <= FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, node.name


def test_every_package_is_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    found = {str(file.parent.relative_to(ROOT)).replace("/", ".") for file in APP.rglob("__init__.py")}
    assert set(setup["options"]["packages"].split()) == found - {"app.rowline"} | {"rowline"}


def subclasses(of: type[Exception]) -> Iterator[type[Exception]]:
    yield of
    for below in of.__subclasses__():
        yield from subclasses(below)


def test_every_error_has_a_status_and_a_code_of_its_own() -> None:
    tree = [*subclasses(errors.RowlineError), *subclasses(database.DatabaseError)]
    tree.remove(errors.RowlineError)
    assert set(tree) == set(problems.STATUSES)
    assert len({error.code for error in problems.STATUSES}) == len(tree)


def test_every_statement_is_used_under_its_own_name() -> None:
    used = re.findall(r'^_(\w+) = Statement\("(\w+)/(\w+)"\)', "\n".join(m.read_text() for m in MODULES), re.MULTILINE)
    assert {f"{module}/{function}" for _, module, function in used} == {f"{f.parent.name}/{f.stem}" for f in STATEMENTS}
    assert all(variable == function for variable, _, function in used)


@pytest.mark.parametrize("statement", STATEMENTS, ids=name)
def test_a_statement_stays_in_its_queue_and_an_update_names_the_status_it_leaves(statement: Path) -> None:
    text = whole(statement.read_text())
    if "update rowline.jobs" in text:
        assert re.search(r"where job.queue = :queue and job.number = (any\(|:number|\w+\.number|\(select number)", text)
        assert "job.status || '' " in text
    over_all = statement.stem.startswith("queues_with_") or statement.stem in OVER_ALL_QUEUES
    assert ":queue" in text or over_all or statement.parent.name in OF_NO_QUEUE


def test_a_fragment_is_what_several_statements_share() -> None:
    files = [*STATEMENTS, *(APP / "store" / "sql" / "_fragments").glob("*.sql")]
    asked = [name for file in files for name in set(re.findall(r"^ *:_(\w+)$", file.read_text(), re.MULTILINE))]
    for module in (APP / "store").glob("*.py"):
        asked += re.findall(r'fragment\("(\w+)"\)', module.read_text())
    fragments = {file.stem for file in files if file.parent.name == "_fragments"}
    assert fragments | set(FRAGMENTS) == set(asked)
    assert [name for name in fragments if asked.count(name) < 2] == []


def test_words_that_the_glossary_strikes_out_are_names_of_nothing() -> None:
    struck = re.search(r"has any more, as a test checks: ([^.]+)\.", (APP / "docs" / "glossary.md").read_text())
    assert struck
    words = set(re.findall(r"\w+", struck[1]))
    for module in MODULES:
        tree = ast.parse(module.read_text())
        named = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) if node.attr.startswith("_")}
        assert not {name for name in named if name.strip("_") in words}, module
    assert not {word.lower() for word in words} & {file.stem for file in [*MODULES, *STATEMENTS]}


def test_every_verb_that_is_done_to_a_database_is_tried_again_where_another_was_in_its_way() -> None:
    for file in sorted((APP / "operations").glob("[a-z]*.py")):
        module = importlib.import_module(f"app.operations.{file.stem}")
        for verb, found in inspect.getmembers(module, inspect.isfunction):
            takes_db = next(iter(inspect.signature(found).parameters), "") == "db"
            if takes_db and not verb.startswith("_") and verb not in PARTS_OF_VERBS:
                assert hasattr(found, "__wrapped__"), f"{file.stem}.{verb} is no @operation"


def test_every_log_event_is_documented() -> None:
    logged = {e for m in MODULES for e in re.findall(r'_log\.\w+\(\s*"(\w+)"', m.read_text())}
    documented = set(re.findall(r"^\| `(\w+)` \|", (APP / "docs" / "operating.md").read_text(), re.MULTILINE))
    assert logged <= documented


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    for named in re.findall(r"`((?:app|tests|migrations)/[\w./-]+)`", page.read_text()):
        assert (ROOT / named).exists(), named


def test_the_guide_to_changes_names_files_that_are_there_and_the_next_of_those_that_are_numbered() -> None:
    guide = (APP / "docs" / "contributing.md").read_text()
    there = [file for folder in (APP, ROOT / "tests", ROOT / "migrations") for file in folder.rglob("*")]
    stems = {file.stem for file in there if file.suffix == ".sql"}
    named = set(re.findall(r"`([\w./]+\.(?:py|sql|txt|md))`", guide))
    to_make = {file for file in named if _follows(Path(file).stem, stems)}
    for file in named - to_make:
        assert any(f"/{found}".endswith(f"/{file}") for found in there), file
    assert {re.sub(r"_\d+\.sql$", "", file) for file in to_make} == {"jobs", "enqueue", "broken_rule"}


def _follows(stem: str, stems: set[str]) -> bool:
    """Tell whether a numbered file is the next of its family: the number before is there, and it is not."""
    family, _, number = stem.rpartition("_")
    return number.isdigit() and stem not in stems and f"{family}_{int(number) - 1}" in stems


def test_the_glossary_names_the_loops_of_the_maintainer() -> None:
    loops = re.findall(r'self\._loop\("(\w+)"', (APP / "maintenance" / "maintainer.py").read_text())
    row = re.search(r"^\| maintainer \|([^|]+)", (APP / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert row
    assert sorted(re.findall(r"`(\w+)`", row[1])) == sorted(loops)


def test_what_the_worker_overrides_of_gunicorn_is_named_among_the_private_parts() -> None:
    named = (ROOT / "tests" / "test_private_parts.py").read_text()
    for ours in (worker.Worker, worker.Logger, incoming.Request, incoming.Chunks):
        own = {member for member in vars(ours) if not member.startswith("__") or member == "__init__"}
        for member in own & {inherited for above in ours.__mro__[1:-1] for inherited in vars(above)}:
            assert re.search(rf"\b{member}\b", named), f"{ours.__name__}.{member}"


@pytest.mark.parametrize("decision", sorted((APP / "docs" / "decisions").glob("*.md")), ids=name)
def test_a_decision_is_told_on_one_page(decision: Path) -> None:
    text = decision.read_text()
    assert text.count("\n") <= DECISION_LINES
    for part in ("## Context", "## Choice", "## Price", "## What would change our mind"):
        assert part in text
