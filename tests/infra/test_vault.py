"""What is sealed opens with the right key only; the key file is made once, whoever comes first."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from app.infra.settings import Settings
from app.infra.vault import KEY_FILE, Vault, VaultError
from app.postgres.database import Database
from app.queries import endpoints
from tests.support import receivers
from tests.support.clusters import PYTHON, Program
from tests.support.jobs import new
from tests.support.raw import KEY
from tests.support.receivers import Receiver
from tests.support.workers import add, in_status


def key() -> str:
    return Fernet.generate_key().decode()


def test_the_first_key_seals_and_any_opens() -> None:
    old, young = key(), key()
    sealed = Vault(Settings(secret_keys=(old,))).seal({"a": "secret"})

    assert b"secret" not in sealed
    both = Vault(Settings(secret_keys=(young, old)))
    assert both.open(sealed) == {"a": "secret"}
    assert Vault(Settings(secret_keys=(young,))).open(both.seal(1)) == 1
    with pytest.raises(VaultError, match="no key of ROWLINE_SECRET_KEYS decrypts this"):
        Vault(Settings(secret_keys=(young,))).open(sealed)


def test_the_key_file_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new" / "home")
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(lambda nth: Vault(settings).seal(nth), range(32)))

    assert [Vault(settings).open(each) for each in sealed] == list(range(32))
    assert stat.S_IMODE((settings.home / KEY_FILE).stat().st_mode) == 0o600
    assert [file.name for file in settings.home.iterdir()] == [KEY_FILE]


def test_nothing_is_opened_without_a_key_and_none_is_made_for_it(tmp_path: Path) -> None:
    sealed = Vault(Settings(secret_keys=(key(),))).seal(1)
    with pytest.raises(VaultError, match="set ROWLINE_SECRET_KEYS"):
        Vault(Settings(home=tmp_path)).open(sealed)
    (tmp_path / KEY_FILE).write_text("rubbish")
    with pytest.raises(VaultError, match="contains no key"):
        Vault(Settings(home=tmp_path)).seal(1)


def test_no_key_is_made_where_others_could_change_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(VaultError, match=r"chmod go-w .*; or set ROWLINE_SECRET_KEYS"):
        Vault(Settings(home=tmp_path)).seal(1)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_that_another_account_put_there_is_not_used(tmp_path: Path) -> None:
    sealed = Vault(Settings(home=tmp_path)).seal(1)
    os.chown(tmp_path / KEY_FILE, 65534, 65534)
    with pytest.raises(VaultError, match="belongs to nobody"):
        Vault(Settings(home=tmp_path)).open(sealed)


def test_a_queue_whose_key_is_lost_leaves_the_others_alive(db: Database, shared_url: str) -> None:
    with Receiver() as receiver:
        receivers.register(db, receiver.url, queue="lost")
        young = key()
        with receivers.dispatcher(shared_url, secret_keys=f"{young},{KEY}") as running:
            receivers.register(db, receiver.url)
            in_status(db, add(db, new())[0])
            assert running.output.count("endpoint_unusable") == 0
        with receivers.dispatcher(shared_url, secret_keys=young) as running:
            running.expect('"queue":"lost"')
            assert "endpoint_unusable" in running.output
            assert receivers.SECRET not in running.output


def test_reencrypting_lets_the_old_key_go(db: Database, shared_url: str) -> None:
    receivers.register(db, "https://example.com/", headers={"A": "b"})
    young = key()
    with Program(
        [*PYTHON, "-m", "app", "endpoints", "reencrypt"],
        env={"DATABASE_URL": shared_url, "ROWLINE_SECRET_KEYS": f"{young},{KEY}"},
    ) as program:
        assert program.end() == 0
        assert "1 endpoints encrypted" in program.output

    found = endpoints.find(db, queue="q")
    assert found
    assert Vault(Settings(secret_keys=(young,))).open(found.sealed_headers) == {"A": "b"}
