"""Proofs of who sent a request: comparing in constant time, and the signature of Plateau's own webhooks.

The signature is one that any language can check with its standard library; `docs/webhooks.md` has the recipe.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

from ._wire import Forged

TIMESTAMP = "plateau-timestamp"
SIGNATURE = "plateau-signature"
SCHEME = "v1="
# Seconds that a clock may be off, and within which a request that somebody caught could be sent again.
TOLERANCE = 300
# More would only make us work.
MOST_SIGNATURES = 8
_SECONDS = re.compile(r"[0-9]{1,12}")


def same(given: str, right: str) -> bool:
    """Return whether two texts are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def hexed(secret: str, content: bytes) -> str:
    """Return the HMAC-SHA256 of `content` as small hexadecimal digits."""
    return hmac.new(secret.encode(), content, sha256).hexdigest()


def signed(secrets: Sequence[str], now: float, body: bytes) -> dict[str, str]:
    """Return the headers that prove a webhook of ours: one signature for each secret, so that one can be replaced."""
    moment = str(int(now))
    signatures = [SCHEME + hexed(secret, moment.encode() + b"." + body) for secret in secrets]
    return {"Plateau-Timestamp": moment, "Plateau-Signature": ",".join(signatures)}


def verify(secrets: Sequence[str], now: float, headers: Mapping[str, str], body: bytes) -> None:
    """Return where the headers prove `body` with one of the secrets, not longer ago than TOLERANCE; raises Forged."""
    moment = headers.get(TIMESTAMP, "")
    if not _SECONDS.fullmatch(moment):
        raise Forged("Plateau-Timestamp is missing or no whole number of seconds since 1970")
    if abs(now - int(moment)) > TOLERANCE:
        raise Forged(f"Plateau-Timestamp is more than {TOLERANCE} seconds from now")
    given = [part.strip() for part in headers.get(SIGNATURE, "").split(",", MOST_SIGNATURES)[:MOST_SIGNATURES]]
    right = [SCHEME + hexed(secret, moment.encode() + b"." + body) for secret in secrets]
    # All are compared, so that the time does not tell which one it was.
    if not any([same(one, other) for one in given for other in right]):
        raise Forged("Plateau-Signature is missing or not that of this body")
