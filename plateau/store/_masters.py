"""Master keys wrap the data keys; they come from the environment or from a file that only its owner can read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ._errors import StoreError
from ._sealing import KEY_BYTES, NONCE_BYTES

VARIABLE = "PLATEAU_MASTER_KEY"
FILE_NAME = "master.key"
ALLOWED = "base64 of 32 random bytes; several, separated by commas, the first of which wraps"


@dataclass(frozen=True, slots=True)
class Master:
    """One master key; `id` names it without telling it."""

    id: str
    key: bytes = field(repr=False)

    def wrap(self, raw: bytes, name: str) -> bytes:
        """Return a data key wrapped for the row `name`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, raw, name.encode())

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """Return the data key of the row `name`; raises StoreError when it was changed or moved."""
        whole = bytes(wrapped)
        try:
            return AESGCM(self.key).decrypt(whole[:NONCE_BYTES], whole[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise StoreError("data_keys: a wrapped key does not open: it was changed, or moved here") from None


class Masters:
    """The master keys of one key store: `given` (as PLATEAU_MASTER_KEY has them), else those of `file`."""

    def __init__(self, given: str | None, file: Path) -> None:
        self._file, self._given = file, given
        self._masters = masters(given, VARIABLE) if given else ()

    @property
    def source(self) -> str:
        """Where the keys are told, for messages."""
        return VARIABLE if self._given else f"{VARIABLE}, or the file {self._file}"

    def load(self, *, make: bool) -> None:
        """Read the file where no key was given; `make` it if it is missing. Raises StoreError."""
        if self._given:
            return
        if make and not self._file.exists():
            _make(self._file)
        self._masters = masters(_read(self._file), str(self._file)) if self._file.exists() else ()

    @property
    def first(self) -> Master:
        """The key that wraps; raises StoreError when there is none."""
        if not self._masters:
            self.load(make=False)
        if not self._masters:
            raise StoreError(f"{self.source}: there is no master key; allowed: {ALLOWED}")
        return self._masters[0]

    def get(self, master_id: str) -> Master:
        """Return the key of this id, from the file as it is now if need be; raises StoreError, naming the id."""
        if master_id not in self.ids:
            self.load(make=False)
        found = next((master for master in self._masters if master.id == master_id), None)
        if found is None:
            raise StoreError(f"{self.source}: master key {master_id} is missing, with which data keys are wrapped")
        return found

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys at hand, the one that wraps first."""
        return tuple(master.id for master in self._masters)

    def add_to_file(self) -> str:
        """Put a new key first in the file, the older ones after it; return its id. Raises StoreError."""
        if self._given:
            raise StoreError(f"{VARIABLE}: is set, so a new key is put there by hand, first; allowed: {ALLOWED}")
        kept = _read(self._file) if self._file.exists() else ""
        fresh = new_master()
        aside = self._file.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
        _write(aside, ",".join([fresh, kept] if kept else [fresh]))
        aside.replace(self._file)
        self.load(make=False)
        return self.first.id


def new_master() -> str:
    """Return a new master key as it is written: base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def masters(written: str, where: str) -> tuple[Master, ...]:
    """Return the master keys of a comma-separated list; raises StoreError, naming `where` and never a key."""
    found = []
    for number, one in enumerate(written.split(","), start=1):
        try:
            key = base64.b64decode(one.strip(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise StoreError(f"{where}: key {number} is not one; allowed: {ALLOWED}")
        found.append(Master(hashlib.sha256(b"plateau master " + key).hexdigest()[:16], key))
    if len({master.id for master in found}) < len(found):
        raise StoreError(f"{where}: the same key stands there twice; allowed: {ALLOWED}")
    return tuple(found)


def _make(file: Path) -> None:
    # Written aside and linked into place: another worker sees either the whole key or none.
    aside = file.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
    _write(aside, new_master())
    with suppress(FileExistsError):
        file.hardlink_to(aside)
    aside.unlink()


def _write(file: Path, content: str) -> None:
    """Write a file that only its owner can read, and wait until it is on disk: what it wraps is lost without it."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise StoreError(f"{file}: the master key cannot be written ({error.strerror})") from None


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file}: the master key cannot be read ({type(error).__name__})") from None
