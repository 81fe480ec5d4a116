"""Encrypts secrets for the database, so that a dump does not show them; the keys are stored elsewhere."""

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.infra import ownership
from app.infra.settings import Settings

KEY_FILE = "secret.key"  # in ROWLINE_HOME


class VaultError(Exception):
    """There is no key, or no matching one; the message says what to do and contains no secret."""


class Vault:
    """Encrypts values with the first key of ROWLINE_SECRET_KEYS and decrypts them with any.

    Without that setting the key is in a file, which the first encryption creates; all processes that share the database
    need the same key.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; keys are read on first use."""
        self._keys, self._file = settings.secret_keys, settings.home / KEY_FILE

    def seal(self, value: Any) -> bytes:
        """Encrypt a JSON value. Raises VaultError if there is no key and none can be created."""
        return self._fernet(make=True).encrypt(json.dumps(value).encode())

    def open(self, sealed: bytes) -> Any:
        """Decrypt a value. Raises VaultError if no key matches, or the bytes were changed."""
        try:
            return json.loads(self._fernet(make=False).decrypt(sealed))
        except InvalidToken:
            where = "ROWLINE_SECRET_KEYS" if self._keys else str(self._file)
            raise VaultError(
                f"no key of {where} decrypts this: add the one that encrypted it, or register again"
            ) from None

    def _fernet(self, *, make: bool) -> MultiFernet:
        keys = self._keys or (self._kept(make=make),)
        return MultiFernet([Fernet(key) for key in keys])

    def _kept(self, *, make: bool) -> str:
        """Return the key of the key file; create it first if `make`. Raises VaultError."""
        try:
            if make and not self._file.exists():
                _make(self._file)
            key = _read(self._file)
            Fernet(key)
        except OSError as error:
            raise VaultError(f"{self._file}: {error.strerror}; set ROWLINE_SECRET_KEYS") from error
        except ValueError as error:
            raise VaultError(f"{self._file} contains no key; set ROWLINE_SECRET_KEYS, or restore the file") from error
        return key


def _read(file: Path) -> str:
    """Return what the file contains. Raises VaultError if another account may have put it there, OSError."""
    with file.open() as opened:
        _require(ownership.fault_of_file(os.fstat(opened.fileno()), file))
        return opened.read().strip()


def _require(fault: str | None) -> None:
    if fault:
        raise VaultError(f"{fault}; or set ROWLINE_SECRET_KEYS")


def _make(file: Path) -> None:
    """Write a new key atomically; of concurrent calls the first one wins. Raises VaultError, OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    _require(ownership.fault(file.parent))
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
