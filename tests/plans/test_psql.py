"""The files of statements are psql's too: who looks into a database at night runs what the service runs."""

import subprocess
from pathlib import Path

from app.infra.settings import Settings
from app.local import binaries
from app.store.statements import Statement
from tests.bench import jobs, pgbench
from tests.support import databases

ROOT = Path(__file__).parents[2]
SQL = ROOT / "app" / "store" / "sql"
INSERT_ONE = {"name": "'''n'''", "data": "'''1'''", "opts": "'''{}'''", "priority": "0", "lifo": "false"}
INSERT_ONE |= {"delay_ms": "0", "attempts": "1"}


def test_statements_that_share_fragments_run_in_psql_as_they_stand(own_url: str) -> None:
    files = [file for file in sorted(SQL.glob("[a-z]*/*.sql")) if " :_" in file.read_text()]
    last = SQL / "jobs" / "insert_one.sql"
    names = {name for file in files for name in Statement(f"{file.parent.name}/{file.stem}").parameters}
    queue, nulls = ["--set=queue='q'", "--set=by='a'"], [f"--set={name}=null" for name in sorted(names)]
    said = [f"--file={file}" for file in (SQL / "psql.sql", *(file for file in files if file != last))]
    one = [f"--command=\\set {name} {value}" for name, value in INSERT_ONE.items()]
    words = ["--no-psqlrc", "--set=ON_ERROR_STOP=1", *nulls, *queue, *said, *one, f"--file={last}"]

    psql = str(binaries.folder(Settings()) / "psql")
    done = subprocess.run([psql, *words, databases.as_owner(own_url)], cwd=ROOT, capture_output=True, text=True)  # noqa: PLW1510

    assert done.returncode == 0, done.stderr
    assert len(files) > 10
    assert databases.ask(own_url, "select queue, status from rowline.jobs") == [("q", "waiting")]


def test_so_do_those_that_the_benchmark_of_workers_is_held_against(own_url: str, tmp_path: Path) -> None:
    databases.run(own_url, f"select rowline.enqueue('{jobs.QUEUE}', 'n', '1')")
    file = tmp_path / "pgbench.sql"
    file.write_text(pgbench.script())
    program = binaries.folder(Settings()) / "pgbench"

    words = pgbench.words(program, file, url=databases.as_owner(own_url), turns=1)
    done = subprocess.run(words, capture_output=True, text=True)  # noqa: PLW1510

    assert done.returncode == 0, done.stderr
    assert databases.ask(own_url, "select status from rowline.jobs") == [("completed",)]
