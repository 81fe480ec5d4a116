"""What must not be readable in the database or in a dump of it: sealed with keys that lie elsewhere."""

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.infra.settings import Settings

KEY_FILE = "secret.key"  # in ROWLINE_HOME


class VaultError(Exception):
    """There is no key, or none that fits; the message says what to do and holds no secret."""


class Vault:
    """Seals values with the first key of ROWLINE_SECRET_KEYS and opens them with any.

    Without that setting the key is in a file, made when something is first sealed; whoever shares the database needs
    the same one.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; no key is read before it is needed."""
        self._keys, self._file = settings.secret_keys, settings.home / KEY_FILE

    def seal(self, value: Any) -> bytes:
        """Seal a value that JSON can hold. Raises VaultError when there is no key and none can be made."""
        return self._fernet(make=True).encrypt(json.dumps(value).encode())

    def open(self, sealed: bytes) -> Any:
        """Return what was sealed. Raises VaultError when no key fits, or the bytes were changed."""
        try:
            return json.loads(self._fernet(make=False).decrypt(sealed))
        except InvalidToken:
            where = "ROWLINE_SECRET_KEYS" if self._keys else str(self._file)
            raise VaultError(f"no key of {where} opens this: add the one that sealed it, or register again") from None

    def _fernet(self, *, make: bool) -> MultiFernet:
        keys = self._keys or (self._kept(make=make),)
        return MultiFernet([Fernet(key) for key in keys])

    def _kept(self, *, make: bool) -> str:
        """Read the key file, and make it first if it may be made. Raises VaultError."""
        try:
            if make and not self._file.exists():
                _make(self._file)
            key = self._file.read_text().strip()
            Fernet(key)
        except OSError as error:
            raise VaultError(f"{self._file}: {error.strerror}; set ROWLINE_SECRET_KEYS") from error
        except ValueError as error:
            raise VaultError(f"{self._file} holds no key; set ROWLINE_SECRET_KEYS, or bring the file back") from error
        return key


def _make(file: Path) -> None:
    """Write a new key, whole or not at all; of many who do so at once the first one's stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(Fernet.generate_key())
            opened.flush()
            os.fsync(opened.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
