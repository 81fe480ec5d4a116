"""The doctor without a database: all who ask are told so after one look."""

import contextlib
import socket
import threading

import pytest

from app.postgres.database import DatabaseError
from app.queries import doctor
from tests.queries.test_doctor import opened


def test_a_database_that_is_away_is_looked_for_once_for_all_who_ask() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        looks: list[None] = []

        def refuse() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0]:
                        looks.append(None)  # before the other side can see that it ends

        accepting = threading.Thread(target=refuse)
        accepting.start()
        with opened(f"postgresql://127.0.0.1:{listener.getsockname()[1]}/gone") as (db, vault):
            asked = doctor.Doctor(db, vault)
            with pytest.raises(DatabaseError) as first:
                asked.report()
            seen = len(looks)
            with pytest.raises(DatabaseError) as second:
                asked.report()
        assert seen
        assert len(looks) == seen
        assert second.value is not first.value
        assert str(second.value) == str(first.value)
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
