"""Calls to platforms: bounded in time and size, no redirect followed, no address, word or secret in an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from ._wire import Unreachable

# Seconds for a whole call; an outbox tries again.
SECONDS = 15.0
# Of an answer no more is read than this.
MOST_BYTES = 256 * 1024
# A platform that asks for a longer wait than a day is asked again after a day.
MOST_WAIT = 86_400.0
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform answered; header names are in lower case, of the body the first MOST_BYTES."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def taken(self) -> bool:
        """Whether the platform says that all is well."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Return the object in the body, an empty one where there is none: errors of proxies come as HTML."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}


class Web:
    """Posts to one platform, named `who` in errors; the connections are kept until `close`."""

    def __init__(self, who: str, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._who = who
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self,
        url: str,
        body: bytes,
        kind: str = JSON,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """Post `body` of the content type `kind`; raises Unreachable where nothing came back, and for 429 and 5xx.

        A platform that says more in the body than the status does is asked with `answered` instead.
        """
        answer = await self.answered(url, body, kind, headers, auth)
        if answer.status == 429 or answer.status >= 500:
            raise Unreachable(f"{self._who}: answered {answer.status}", asked_to_wait(answer))
        return answer

    async def answered(
        self,
        url: str,
        body: bytes,
        kind: str = JSON,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """Post and return the answer, whatever its status; raises Unreachable where nothing came back."""
        return await self._asked("POST", url, {"Content-Type": kind, **(headers or {})}, auth, body)

    async def get(self, url: str, auth: tuple[str, str] | None = None) -> Answer:
        """Get and return the answer, whatever its status; raises Unreachable where nothing came back."""
        return await self._asked("GET", url, {}, auth)

    async def _asked(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None,
        body: bytes | None = None,
    ) -> Answer:
        limit = aiohttp.ClientTimeout(self.seconds)
        proof = {"Authorization": aiohttp.encode_basic_auth(*auth, encoding="utf-8")} if auth else {}
        try:
            async with self._open().request(
                method, url, data=body, headers={**headers, **proof}, allow_redirects=False, timeout=limit
            ) as response:
                content = await _some(response)
                names = {name.lower(): text for name, text in response.headers.items()}
                return Answer(response.status, names, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Of these the text may quote the URL, in which Telegram's token stands.
            raise Unreachable(f"{self._who}: no answer ({type(error).__name__})") from None

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Not before the first call, for a session belongs to the loop that runs.
        if self._session is None:
            # A cookie would tie calls for one patient to those for another.
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def packed(content: Any) -> bytes:
    """Return `content` as JSON in UTF-8; a lone half of a surrogate pair, which UTF-8 has not, becomes a `?`."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def asked_to_wait(answer: Answer) -> float | None:
    """Return the seconds of `Retry-After`, which is a number or a date (RFC 9110, 10.2.3); None where it says none."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdecimal():
        return min(float(given[:9]), MOST_WAIT)
    try:
        until = parsedate_to_datetime(given)
    except ValueError:
        return None
    seconds = (until.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MOST_WAIT)


async def _some(response: aiohttp.ClientResponse) -> bytes:
    got = bytearray()
    async for part in response.content.iter_any():
        got += part
        if len(got) >= MOST_BYTES:
            response.close()
            break
    return bytes(got[:MOST_BYTES])
