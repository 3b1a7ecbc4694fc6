"""Seals values with a conversation's data key, bound to where they are kept: moved elsewhere, they do not open."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import zlib
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ._errors import StoreError

KEY_BYTES = 32
NONCE_BYTES = 12
# The first byte of a sealed value: how the bytes within are to be read. It is authenticated with them.
JSON, PACKED_JSON = b"\x01", b"\x02"
# Shorter than this, packing gains nothing.
PACKED_FROM = 256
# No id holds it, as it is not printable: two places are never written alike.
BETWEEN = "\x1f"


class DataKey:
    """One data key (32 bytes): seals and opens JSON values, and gives its conversation a pseudonym."""

    __slots__ = ("_cipher", "_subject", "chain")

    def __init__(self, raw: bytes) -> None:
        # One key, one use: each is derived from the data key and goes with it.
        self._cipher = AESGCM(_derived(raw, "seal"))
        self._subject = _derived(raw, "subject")
        self.chain = _derived(raw, "chain")

    def seal(self, value: Any, *place: str | int) -> bytes:
        """Return `value` sealed for `place` (table, conversation, row); raises StoreError for what JSON cannot hold."""
        try:
            plain = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"a value cannot be kept as JSON ({type(error).__name__})") from None
        form = PACKED_JSON if len(plain) >= PACKED_FROM else JSON
        content = zlib.compress(plain, 1) if form == PACKED_JSON else plain
        nonce = secrets.token_bytes(NONCE_BYTES)
        return form + nonce + self._cipher.encrypt(nonce, content, _bound(form, place))

    def open(self, sealed: bytes | memoryview, *place: str | int) -> Any:
        """Return what was sealed for `place`; raises StoreError where it was changed, or moved from elsewhere."""
        whole = bytes(sealed)
        form, nonce, content = whole[:1], whole[1 : 1 + NONCE_BYTES], whole[1 + NONCE_BYTES :]
        try:
            plain = self._cipher.decrypt(nonce, content, _bound(form, place))
        except (InvalidTag, ValueError):
            raise StoreError(f"{place[0]}: a sealed value does not open: it was changed, or moved here") from None
        return json.loads(zlib.decompress(plain) if form == PACKED_JSON else plain)

    def pseudonym(self, conversation_id: str) -> str:
        """Return what the audit trail calls the conversation: nobody can tell whose it is once the key is gone."""
        return hmac.new(self._subject, conversation_id.encode(), hashlib.sha256).hexdigest()


def _derived(raw: bytes, use: str) -> bytes:
    return hmac.digest(raw, f"plateau {use}".encode(), "sha256")


def _bound(form: bytes, place: tuple[str | int, ...]) -> bytes:
    # An id that no database would hold is refused there, not here.
    return form + BETWEEN.join(map(str, place)).encode("utf-8", "surrogatepass")
